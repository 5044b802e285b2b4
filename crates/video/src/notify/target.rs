//! Where messages go: a data stream of this server, or a webhook.

use std::str::FromStr;
use std::sync::Arc;

use afflux_engine::{ShardState, StreamDescription, StreamKind};
use afflux_entry::{BatchBuilder, Header, Kind};
use afflux_types::{Error, HashKey, Result, StreamName};

use super::Notice;
use super::webhook::Address;
use crate::context::Context;

/// Where the messages of a stream go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination(Kinds);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kinds {
    DataStream(StreamName),
    Webhook(Address),
}

impl FromStr for Destination {
    type Err = Error;

    /// Reads the ARN of a data stream, or an address of HTTP.
    fn from_str(uri: &str) -> Result<Self> {
        if let Some(name) = data_stream(uri) {
            return Ok(Self(Kinds::DataStream(StreamName::new(name)?)));
        }
        let scheme = uri.split_once("://").map(|(scheme, _)| scheme);
        if matches!(scheme, Some("http" | "https")) {
            return Ok(Self(Kinds::Webhook(uri.parse()?)));
        }
        Err(Error::invalid(format!(
            "{uri} is neither the ARN of a data stream nor an address that begins with http:// or \
             https://; this server sends notifications nowhere else"
        )))
    }
}

impl Destination {
    /// Refuses a destination that no message can reach now.
    ///
    /// # Errors
    /// `Invalid`, with what is missing.
    pub(crate) async fn check(&self, ctx: &Context) -> Result<()> {
        match &self.0 {
            Kinds::DataStream(name) => described(ctx, name).map(drop),
            Kinds::Webhook(address) => address.check(&ctx.puts.desk.trust).await,
        }
    }

    /// Sends a message.
    pub(super) async fn send(
        &self,
        ctx: &Arc<Context>,
        notice: &Notice,
        text: String,
    ) -> Result<()> {
        match &self.0 {
            Kinds::DataStream(name) => put(ctx, name, notice, &text).await,
            Kinds::Webhook(address) => address.post(&ctx.puts.desk.trust, text).await,
        }
    }
}

fn described(ctx: &Context, name: &StreamName) -> Result<StreamDescription> {
    let found = ctx.engine.describe_stream(name).map_err(|error| {
        let problem = format!("the data stream {name}, which notifications go to, does not exist");
        Error::invalid(problem).with_source(error)
    })?;
    if found.kind != StreamKind::Records {
        let problem = format!("{name} is a stream of video, and notifications are records");
        return Err(Error::invalid(problem));
    }
    Ok(found)
}

/// The name in the ARN of a data stream: `arn:aws:kinesis:region:account:stream/name`.
fn data_stream(uri: &str) -> Option<&str> {
    let mut parts = uri.strip_prefix("arn:")?.split(':');
    let (_partition, service) = (parts.next()?, parts.next()?);
    let (_region, _account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    (service == "kinesis").then_some(())?;
    resource.strip_prefix("stream/")
}

/// Puts a message into a data stream; the messages of one stream of video stay in order.
async fn put(ctx: &Arc<Context>, to: &StreamName, notice: &Notice, text: &str) -> Result<()> {
    let key = notice.stream().as_str().as_bytes();
    let hash_key = HashKey::of(key);
    let target = described(ctx, to)?;
    let is_for = |shard: &&afflux_engine::ShardDescription| {
        shard.state == ShardState::Open && shard.range.contains(hash_key)
    };
    let shard = target.shards.iter().find(is_for);
    let shard = shard.ok_or_else(|| Error::unavailable(format!("{to} has no open shard")))?;
    let shard = ctx.engine.shard(to, shard.id).await?;
    let mut batch = BatchBuilder::default();
    batch.push(key, None, text.as_bytes());
    let (body, count) = batch.take();
    let body = vec![body];
    let header = Header::for_body(Kind::Batch, count, None, None, &body);
    let accepted = shard.append(header, body).await?;
    shard.wait_accepted(&accepted).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arns_of_data_streams_name_one() {
        assert_eq!(
            data_stream("arn:aws:kinesis:eu-west-1:000000000000:stream/events"),
            Some("events")
        );
        for other in [
            "arn:aws:sns:eu-west-1:000000000000:topic",
            "arn:aws:kinesis:eu-west-1:000000000000:events",
            "http://localhost/stream/events",
            "arn:aws:kinesis",
        ] {
            assert_eq!(data_stream(other), None, "{other}");
        }
    }
}
