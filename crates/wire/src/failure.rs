//! Errors on their way through a [`Failure`] frame and back.

use afflux_types::{Error, ErrorKind};

use crate::message::Failure;

impl Failure {
    /// The frame that tells a peer of `error`, without its causes, which are ours alone.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        Self {
            kind: u32::from(error.kind().code()),
            message: error.message().to_owned(),
            ..Self::default()
        }
    }

    /// What the caller should do.
    #[must_use]
    pub fn error_kind(&self) -> ErrorKind {
        u8::try_from(self.kind).map_or(ErrorKind::Internal, ErrorKind::from_code)
    }

    /// The peer's error as one of ours.
    #[must_use]
    pub fn to_error(&self) -> Error {
        Error::new(self.error_kind(), self.message.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_message_survive_the_way() {
        for kind in ErrorKind::ALL {
            let failure = Failure::of(&Error::new(kind, "why"));
            assert_eq!(failure.to_error().kind(), kind);
            assert_eq!(failure.to_error().message(), "why");
        }
    }

    #[test]
    fn an_unknown_kind_is_internal() {
        let failure = Failure {
            kind: 70_000,
            ..Failure::default()
        };
        assert_eq!(failure.error_kind(), ErrorKind::Internal);
    }
}
