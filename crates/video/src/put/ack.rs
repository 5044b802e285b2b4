//! Acknowledgements as the client reads them: one flat JSON object in a line, keys in a fixed order.

use std::fmt::Write as _;

use afflux_types::FragmentNumber;
use bytes::Bytes;

use super::fault::Fault;

/// What happened to a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its first bytes are here.
    Buffering,
    /// All of it is here.
    Received,
    /// It is durable.
    Persisted,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Buffering => "BUFFERING",
            Self::Received => "RECEIVED",
            Self::Persisted => "PERSISTED",
        }
    }
}

/// Says what happened to the Cluster that was sent with this timecode.
///
/// Before a fragment is in the log it has no number.
pub(super) fn fragment(state: State, timecode: u64, number: Option<FragmentNumber>) -> Bytes {
    let mut line = format!(
        r#"{{"EventType":"{}","FragmentTimecode":{timecode}"#,
        state.name()
    );
    write_number(&mut line, number);
    end(line)
}

/// Says that the connection ends, and why.
pub(super) fn error(fault: Fault, timecode: Option<u64>, number: Option<FragmentNumber>) -> Bytes {
    let mut line = String::from(r#"{"EventType":"ERROR""#);
    if let Some(timecode) = timecode {
        // Writing to a string cannot fail.
        let _ = write!(line, r#","FragmentTimecode":{timecode}"#);
    }
    write_number(&mut line, number);
    let _ = write!(
        line,
        r#","ErrorId":{},"ErrorCode":"{}""#,
        fault.id(),
        fault.name()
    );
    end(line)
}

/// Says that nothing comes.
pub(super) fn idle() -> Bytes {
    end(String::from(r#"{"EventType":"IDLE""#))
}

fn write_number(line: &mut String, number: Option<FragmentNumber>) {
    if let Some(number) = number {
        let _ = write!(line, r#","FragmentNumber":"{number}""#);
    }
}

fn end(mut line: String) -> Bytes {
    line.push_str("}\r\n");
    line.into()
}

#[cfg(test)]
mod tests {
    use afflux_types::{Position, ServerTime};

    use super::*;

    #[test]
    fn lines_are_those_that_real_clients_take() {
        let number =
            FragmentNumber::new(Position::new(1), ServerTime::from_millis(1_690_707_289_209));
        let text = |line: Bytes| String::from_utf8(line.to_vec()).unwrap();
        assert_eq!(
            text(fragment(State::Persisted, 252_200, Some(number))),
            concat!(
                r#"{"EventType":"PERSISTED","FragmentTimecode":252200,"#,
                r#""FragmentNumber":"91343852333181432392682062655754991969434075136"}"#,
                "\r\n"
            )
        );
        assert_eq!(
            text(error(
                Fault::FragmentTimecodeLesserThanPrevious,
                Some(7),
                None
            )),
            concat!(
                r#"{"EventType":"ERROR","FragmentTimecode":7,"ErrorId":4004,"#,
                r#""ErrorCode":"FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS"}"#,
                "\r\n"
            )
        );
        assert_eq!(text(idle()), "{\"EventType\":\"IDLE\"}\r\n");
        assert!(fragment(State::Received, u64::MAX, Some(number)).len() < 1_024);
    }
}
