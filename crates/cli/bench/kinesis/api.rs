//! What a bench prepares through the API: streams, consumers, and the pages of a shard.

use std::time::Duration;

use afflux_aws::document::Encoder;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;

use super::bodies::{body, list, member, read, text};
use super::client::{Connection, Target};
use super::drive::Prepared;
use crate::bench::raw::len_u64;

/// Servers make streams and consumers in the background; they get this many looks, one each
/// [`LOOK_PAUSE`].
const LOOKS: usize = 500;
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Pages that `GetRecords` is measured with: enough that no cache below memory holds them.
const PAGES_MAX: usize = 16;
/// A server may answer a few times with nothing although there is more.
const EMPTY_PAGES_MAX: usize = 20;

/// A connection for single calls.
#[derive(Debug)]
pub(super) struct Api {
    target: Target,
    connection: Connection,
}

/// A stream of one shard.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    arn: String,
    shard: String,
}

/// The requests that read a shard from its start, and what the first one is answered.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) requests: Vec<Prepared>,
    pub(super) first: Bytes,
}

impl Api {
    pub(super) async fn connect(target: &Target) -> Result<Self> {
        Ok(Self {
            connection: target.connect().await?,
            target: target.clone(),
        })
    }

    /// Sends a body that is ready; returns the answer.
    pub(super) async fn ask(&mut self, operation: &'static str, body: Bytes) -> Result<Bytes> {
        self.connection.ask(operation, body).await
    }

    async fn call(
        &mut self,
        operation: &'static str,
        write: impl FnOnce(&mut Encoder),
    ) -> Result<Bytes> {
        let body = body(self.target.format(), write);
        self.connection.ask(operation, body).await
    }

    /// Makes a stream of one shard and waits until it is active.
    pub(super) async fn create_stream(&mut self, name: String) -> Result<Stream> {
        self.call("CreateStream", |to| {
            to.member("StreamName", &name);
            to.member("ShardCount", &1_u32);
        })
        .await?;
        for _ in 0..LOOKS {
            let answer = self
                .call("DescribeStream", |to| to.member("StreamName", &name))
                .await?;
            let answer = read(self.target.format(), &answer)?;
            let stream = member(&answer, "StreamDescription")?;
            if text(stream, "StreamStatus")? == "ACTIVE" {
                let shards = list(stream, "Shards")?;
                let shard = shards.first().context("a stream without shards")?;
                return Ok(Stream {
                    arn: text(stream, "StreamARN")?.to_owned(),
                    shard: text(shard, "ShardId")?.to_owned(),
                    name,
                });
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        anyhow::bail!("the stream {name} did not become active")
    }

    /// Deletes a stream and its consumers.
    pub(super) async fn delete_stream(&mut self, stream: &Stream) -> Result<()> {
        self.call("DeleteStream", |to| {
            to.member("StreamName", &stream.name);
            to.member("EnforceConsumerDeletion", &true);
        })
        .await?;
        Ok(())
    }

    /// Registers a consumer, waits until it is active, and returns its ARN.
    async fn register(&mut self, stream: &Stream, number: usize) -> Result<String> {
        let answer = self
            .call("RegisterStreamConsumer", |to| {
                to.member("StreamARN", &stream.arn);
                to.member("ConsumerName", &format!("reader-{number}"));
            })
            .await?;
        let answer = read(self.target.format(), &answer)?;
        let arn = text(member(&answer, "Consumer")?, "ConsumerARN")?;
        for _ in 0..LOOKS {
            let answer = self
                .call("DescribeStreamConsumer", |to| to.member("ConsumerARN", arn))
                .await?;
            let answer = read(self.target.format(), &answer)?;
            let consumer = member(&answer, "ConsumerDescription")?;
            if text(consumer, "ConsumerStatus")? == "ACTIVE" {
                return Ok(arn.to_owned());
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        anyhow::bail!("the consumer {arn} did not become active")
    }

    /// Registers `count` consumers; returns the request of each that subscribes to the shard.
    pub(super) async fn subscriptions(
        &mut self,
        stream: &Stream,
        count: usize,
        from: &'static str,
    ) -> Result<Vec<Bytes>> {
        let mut requests = Vec::new();
        for number in 0..count {
            let arn = self.register(stream, number).await?;
            requests.push(body(self.target.format(), |to| {
                to.member("ConsumerARN", &arn);
                to.member("ShardId", &stream.shard);
                to.name("StartingPosition");
                to.begin_map();
                to.member("Type", from);
                to.end_map();
            }));
        }
        Ok(requests)
    }

    /// Walks through a stream's first pages.
    pub(super) async fn pages(&mut self, stream: &Stream) -> Result<Pages> {
        let format = self.target.format();
        let answer = self
            .call("GetShardIterator", |to| {
                to.member("StreamName", &stream.name);
                to.member("ShardId", &stream.shard);
                to.member("ShardIteratorType", "TRIM_HORIZON");
            })
            .await?;
        let mut iterator = text(&read(format, &answer)?, "ShardIterator")?.to_owned();
        let (mut requests, mut first, mut empty) = (Vec::new(), Bytes::new(), 0);
        while requests.len() < PAGES_MAX && empty < EMPTY_PAGES_MAX {
            let request = body(format, |to| to.member("ShardIterator", &iterator));
            let answer = self.connection.ask("GetRecords", request.clone()).await?;
            let page = read(format, &answer)?;
            let records = len_u64(list(&page, "Records")?.len());
            text(&page, "NextShardIterator")?.clone_into(&mut iterator);
            if records == 0 {
                empty += 1;
                continue;
            }
            if requests.is_empty() {
                first = answer.clone();
            }
            requests.push(Prepared {
                body: request,
                records,
            });
        }
        ensure!(!requests.is_empty(), "the stream {} is empty", stream.name);
        Ok(Pages { requests, first })
    }
}
