//! Where the next page starts, as a text that only this server reads, for the same question only.

use afflux_aws::token::take;
use afflux_aws::video::{Code, Error};
use afflux_types::Position;
use ring::digest;

use crate::context::Context;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    label: &'static str,
    digest: [u8; 32],
}

impl Query {
    /// A question of which everything that matters is in `parts`.
    pub(crate) fn new(label: &'static str, parts: &[&[u8]]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in parts {
            let len = u64::try_from(part.len()).unwrap_or(u64::MAX);
            hash.update(&len.to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finish();
        Self {
            label,
            digest: hash.as_ref().first_chunk().copied().unwrap_or_default(),
        }
    }

    /// The token of a page that starts at a position.
    pub(crate) fn seal(&self, ctx: &Context, position: Position) -> String {
        self.seal_number(ctx, position.get().to_be_bytes())
    }

    /// The position that a token leads to.
    pub(crate) fn open(&self, ctx: &Context, token: &str) -> Result<Position, Error> {
        let number = self.open_number(ctx, token)?;
        Ok(Position::new(u64::from_be_bytes(number)))
    }

    /// The token of a page that starts at a time, in milliseconds.
    pub(crate) fn seal_time(&self, ctx: &Context, time: i64) -> String {
        self.seal_number(ctx, time.to_be_bytes())
    }

    /// The time that a token leads to.
    pub(crate) fn open_time(&self, ctx: &Context, token: &str) -> Result<i64, Error> {
        self.open_number(ctx, token).map(i64::from_be_bytes)
    }

    fn seal_number(&self, ctx: &Context, number: [u8; 8]) -> String {
        let mut content = self.digest.to_vec();
        content.extend_from_slice(&number);
        base64_simd::STANDARD.encode_to_string(ctx.sealer.seal(self.label, content))
    }

    fn open_number(&self, ctx: &Context, token: &str) -> Result<[u8; 8], Error> {
        let sealed = base64_simd::STANDARD.decode_to_vec(token.as_bytes());
        let content = sealed
            .ok()
            .and_then(|sealed| ctx.sealer.open(self.label, &sealed));
        let number = content.as_deref().and_then(|mut content| {
            let digest: &[u8; 32] = take(&mut content)?;
            let number: &[u8; 8] = take(&mut content)?;
            (digest == &self.digest).then_some(*number)
        });
        number.ok_or_else(|| {
            Error::new(
                Code::InvalidArgument,
                "NextToken is not one that this request was answered with.",
            )
        })
    }
}
