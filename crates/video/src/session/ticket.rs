//! What a session is: everything that its URL's token says, which is everything that must survive a
//! restart. The server remembers no session; what it keeps beside is found again by reading the log.
//!
//! # Shape
//! Fields in the order of the structure, big-endian, the stream's name last, each with a fixed width or
//! its length in front; sealed with the server's key, so that a client can neither read nor forge it.

use afflux_aws::token::{Sealer, take, take_text, write_text};
use afflux_types::{Position, ServerTime, StreamName};

use crate::library::TimeAxis;

/// Which protocol a session speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Hls,
    Dash,
}

impl Protocol {
    /// What its tokens are bound to: one protocol's are nothing to the other.
    fn label(self) -> &'static str {
        match self {
            Self::Hls => "hls-session",
            Self::Dash => "dash-session",
        }
    }
}

/// What a session shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The newest fragments.
    Live,
    /// Fragments from a time on, one after the other.
    Replay,
    /// All fragments of a range.
    OnDemand,
}

/// What segments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Mp4,
    Ts,
}

/// Between which fragments a discontinuity is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Discontinuities {
    All,
    None,
    Broken,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) protocol: Protocol,
    pub(super) mode: Mode,
    pub(super) axis: TimeAxis,
    pub(super) container: Container,
    pub(super) discontinuities: Discontinuities,
    /// Whether each fragment's time and number are shown.
    pub(super) shows_times: bool,
    pub(super) shows_numbers: bool,
    /// Fragments in a playlist.
    pub(super) limit: u32,
    pub(super) created: ServerTime,
    pub(super) expires: ServerTime,
    /// The stream, which is not another of its name.
    pub(super) stream_id: u64,
    /// The time range on the axis, in milliseconds; its end is exclusive.
    pub(super) from: i64,
    pub(super) to: i64,
    /// Where in the log the session begins, and for one on demand ends.
    pub(super) anchor: Position,
    pub(super) until: Position,
    /// The time of the first fragment on the axis, in milliseconds.
    pub(super) origin: i64,
    pub(super) stream: StreamName,
}

/// Segments before the playlist that players may still ask for: those of three playlists before.
const HISTORY: usize = 3;
/// Segments of a replay that are looked for beyond those that are shown.
pub(super) const AHEAD: usize = 16;

impl Ticket {
    /// Segments of the session that are kept at most.
    pub(super) fn segments_max(&self) -> usize {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        match self.mode {
            Mode::OnDemand => limit,
            Mode::Live | Mode::Replay => {
                limit.saturating_mul(1 + HISTORY).saturating_add(2 * AHEAD)
            }
        }
    }

    /// Whether playlists list parts of segments. Players line the tracks of such playlists up by the
    /// times of the fragments, which must be there (rfc8216bis, B.1); by numbers alone they put sound
    /// seconds away from its pictures.
    pub(super) fn is_low_latency(&self) -> bool {
        self.shows_times && self.can_have_parts()
    }

    /// Whether playlists may list parts. Where each segment is a timeline of its own there is nothing
    /// that parts could go on with.
    pub(super) fn can_have_parts(&self) -> bool {
        self.protocol == Protocol::Hls
            && self.mode == Mode::Live
            && self.container == Container::Mp4
            && self.discontinuities != Discontinuities::All
    }

    pub(super) fn seal(&self, sealer: &Sealer) -> String {
        sealer.seal_url(self.protocol.label(), self.encode())
    }

    /// Opens a token of a protocol.
    pub(super) fn open(sealer: &Sealer, protocol: Protocol, text: &str) -> Option<Self> {
        decode(protocol, &sealer.open_url(protocol.label(), text)?)
    }

    fn encode(&self) -> Vec<u8> {
        let flags = [
            match self.mode {
                Mode::Live => 0,
                Mode::Replay => 1,
                Mode::OnDemand => 2,
            },
            u8::from(self.axis == TimeAxis::Producer),
            u8::from(self.container == Container::Ts),
            match self.discontinuities {
                Discontinuities::All => 0,
                Discontinuities::None => 1,
                Discontinuities::Broken => 2,
            },
            u8::from(self.shows_times),
            u8::from(self.shows_numbers),
        ];
        let mut content = flags.to_vec();
        content.extend_from_slice(&self.limit.to_be_bytes());
        content.extend_from_slice(&self.created.as_millis().to_be_bytes());
        content.extend_from_slice(&self.expires.as_millis().to_be_bytes());
        content.extend_from_slice(&self.stream_id.to_be_bytes());
        content.extend_from_slice(&self.from.to_be_bytes());
        content.extend_from_slice(&self.to.to_be_bytes());
        content.extend_from_slice(&self.anchor.get().to_be_bytes());
        content.extend_from_slice(&self.until.get().to_be_bytes());
        content.extend_from_slice(&self.origin.to_be_bytes());
        write_text(&mut content, self.stream.as_str());
        content
    }
}

fn decode(protocol: Protocol, mut content: &[u8]) -> Option<Ticket> {
    let content = &mut content;
    let [mode, axis, container, discontinuities, times, numbers] = *take::<6>(content)?;
    Some(Ticket {
        protocol,
        mode: match mode {
            0 => Mode::Live,
            1 => Mode::Replay,
            2 => Mode::OnDemand,
            _ => return None,
        },
        axis: if axis == 0 {
            TimeAxis::Server
        } else {
            TimeAxis::Producer
        },
        container: if container == 0 {
            Container::Mp4
        } else {
            Container::Ts
        },
        discontinuities: match discontinuities {
            0 => Discontinuities::All,
            1 => Discontinuities::None,
            2 => Discontinuities::Broken,
            _ => return None,
        },
        shows_times: times != 0,
        shows_numbers: numbers != 0,
        limit: u32::from_be_bytes(*take(content)?),
        created: ServerTime::from_millis(i64::from_be_bytes(*take(content)?)),
        expires: ServerTime::from_millis(i64::from_be_bytes(*take(content)?)),
        stream_id: u64::from_be_bytes(*take(content)?),
        from: i64::from_be_bytes(*take(content)?),
        to: i64::from_be_bytes(*take(content)?),
        anchor: Position::new(u64::from_be_bytes(*take(content)?)),
        until: Position::new(u64::from_be_bytes(*take(content)?)),
        origin: i64::from_be_bytes(*take(content)?),
        stream: StreamName::new(take_text(content)?).ok()?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::session) fn ticket() -> Ticket {
        Ticket {
            protocol: Protocol::Hls,
            mode: Mode::Replay,
            axis: TimeAxis::Producer,
            container: Container::Ts,
            discontinuities: Discontinuities::Broken,
            shows_times: true,
            shows_numbers: false,
            limit: 7,
            created: ServerTime::from_millis(1_000),
            expires: ServerTime::from_millis(301_000),
            stream_id: 9,
            from: -5,
            to: i64::MAX,
            anchor: Position::new(3),
            until: Position::new(u64::MAX),
            origin: 77,
            stream: StreamName::new("camera").unwrap(),
        }
    }

    #[test]
    fn a_token_says_what_was_sealed_and_nothing_else_opens() {
        let sealer = Sealer::new(&[7; 32], 1);
        let ticket = ticket();
        let token = ticket.seal(&sealer);
        assert!(!token.contains("camera"));
        assert_eq!(
            Ticket::open(&sealer, Protocol::Hls, &token),
            Some(ticket.clone())
        );
        assert_eq!(Ticket::open(&sealer, Protocol::Dash, &token), None);
        let foreign = Sealer::new(&[8; 32], 1);
        assert_eq!(Ticket::open(&foreign, Protocol::Hls, &token), None);
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_ne!(
                Ticket::open(&sealer, Protocol::Hls, &forged),
                Some(ticket.clone()),
                "byte {at}"
            );
        }
    }

    #[test]
    fn content_that_is_cut_is_refused() {
        let content = ticket().encode();
        for end in 0..content.len() {
            assert_eq!(decode(Protocol::Hls, &content[..end]), None, "{end} bytes");
        }
    }
}
