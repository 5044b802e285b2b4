//! The one table that turns kinds of errors into the numbers and names of each protocol.
//!
//! Layers below never see a status code. A number that was released is never reused.

use afflux_types::{Error, ErrorKind};
use quinn::VarInt;

/// How one kind of error shows outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The status of an HTTP answer.
    pub http_status: u16,
    /// The application code of a reset QUIC stream or a closed connection.
    pub quic_code: u32,
    /// The exception of the Kinesis data stream API.
    pub exception: &'static str,
}

/// The QUIC application code of an end that is no error.
pub(crate) const QUIC_OK: VarInt = VarInt::from_u32(0);

/// The row of `kind`.
#[must_use]
pub fn row(kind: ErrorKind) -> Row {
    let (http_status, exception) = match kind {
        ErrorKind::Invalid => (400, "InvalidArgumentException"),
        ErrorKind::Denied => (403, "AccessDeniedException"),
        ErrorKind::NotFound => (404, "ResourceNotFoundException"),
        ErrorKind::InUse => (409, "ResourceInUseException"),
        ErrorKind::LimitExceeded => (413, "LimitExceededException"),
        ErrorKind::Throttled => (429, "ProvisionedThroughputExceededException"),
        ErrorKind::Expired => (410, "ExpiredIteratorException"),
        ErrorKind::Unavailable => (503, "ServiceUnavailableException"),
        ErrorKind::ShardMoved => (421, "ResourceNotFoundException"),
        // A kind that is added to the enum and not here is ours to fix, as an internal error is.
        _ => (500, "InternalFailureException"),
    };
    Row {
        http_status,
        quic_code: u32::from(kind.code()),
        exception,
    }
}

/// The QUIC application code for `error`.
pub(crate) fn quic_code(error: &Error) -> VarInt {
    kind_code(error.kind())
}

/// The QUIC application code for errors of a kind.
pub(crate) fn kind_code(kind: ErrorKind) -> VarInt {
    VarInt::from_u32(row(kind).quic_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable() {
        let table: Vec<(&str, u16, u32)> = ErrorKind::ALL
            .into_iter()
            .map(|kind| (kind.name(), row(kind).http_status, row(kind).quic_code))
            .collect();
        assert_eq!(
            table,
            [
                ("invalid", 400, 1),
                ("denied", 403, 2),
                ("not_found", 404, 3),
                ("in_use", 409, 4),
                ("limit_exceeded", 413, 5),
                ("throttled", 429, 6),
                ("expired", 410, 7),
                ("unavailable", 503, 8),
                ("data_loss", 500, 9),
                ("internal", 500, 10),
                ("shard_moved", 421, 11),
            ]
        );
    }
}
