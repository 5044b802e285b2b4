//! Administration: one command, one answer.
//!
//! Each command names the right that it needs. What a client may not see is not listed.

mod delivery;
mod fragments;

use afflux_engine::{Engine, StreamKind};
use afflux_types::limits::CONTROL_FRAME_BYTES_MAX;
use afflux_types::{ConsumerName, Error, ErrorKind, Result, StreamName};
use afflux_wire::Frame;
use afflux_wire::message::{
    AdminRequest, AdminResponse, Answer, Command, ConsumerList, ConsumerRef, CreateStream, Done,
    ListStreams, MergeShards, SplitShard, StreamList,
};

use crate::auth::Identity;
use crate::config::Right;
use crate::metrics::Activity;
use crate::server::State;

use super::{Exchange, Outcome, convert, shard_id, stream_name};

/// Streams in one answer.
const STREAMS_PER_ANSWER: usize = 1_000;

/// Serves one command.
pub(super) async fn run(exchange: &mut Exchange, request: AdminRequest) -> Outcome {
    let _active = exchange.state.metrics.begin(Activity::Admin);
    let command = request
        .command
        .ok_or_else(|| Error::invalid("the request holds no command that this server knows"))?;
    let admin = Admin {
        state: &exchange.state,
        identity: &exchange.identity,
    };
    let answer = Box::pin(admin.execute(command)).await?;
    let frame = Frame::from(AdminResponse {
        answer: Some(answer),
    });
    let len = frame.content_len();
    if len > CONTROL_FRAME_BYTES_MAX {
        let problem = format!("the answer has {len} bytes; the limit is {CONTROL_FRAME_BYTES_MAX}");
        return Err(Error::new(ErrorKind::LimitExceeded, problem).into());
    }
    exchange.writer.frame(frame).await
}

/// What a command works with.
#[derive(Clone, Copy)]
struct Admin<'a> {
    state: &'a State,
    identity: &'a Identity,
}

impl Admin<'_> {
    fn engine(&self) -> &Engine {
        &self.state.engine
    }

    /// A stream that the client may administer.
    fn administered(&self, name: &str) -> Result<StreamName> {
        let stream = stream_name(name)?;
        self.identity.require_on(Right::Admin, &stream)?;
        Ok(stream)
    }

    /// A stream that the client may read or administer.
    fn consumed(&self, name: &str) -> Result<StreamName> {
        let stream = stream_name(name)?;
        self.identity
            .require_either([Right::Consume, Right::Admin], &stream)?;
        Ok(stream)
    }

    async fn execute(self, command: Command) -> Result<Answer> {
        match command {
            Command::CreateStream(request) => self.create_stream(request).await,
            Command::DeleteStream(request) => self.delete_stream(&request.stream).await,
            Command::DescribeStream(request) => self.describe_stream(&request.stream).await,
            Command::ListStreams(request) => self.list_streams(&request),
            Command::SplitShard(request) => self.split_shard(request).await,
            Command::MergeShards(request) => self.merge_shards(request).await,
            Command::RegisterConsumer(request) => self.register_consumer(request).await,
            Command::DeregisterConsumer(request) => self.deregister_consumer(request).await,
            Command::ListConsumers(request) => self.list_consumers(&request.stream),
            Command::ListFragments(request) => self.list_fragments(request).await,
            Command::CreateDelivery(request) => self.create_delivery(request).await,
            Command::UpdateDelivery(request) => self.update_delivery(request).await,
            Command::PauseDelivery(request) => self.pause_delivery(request).await,
            Command::DeleteDelivery(request) => self.delete_delivery(request).await,
            Command::ListDeliveries(request) => self.list_deliveries(&request),
        }
    }

    async fn create_stream(self, request: CreateStream) -> Result<Answer> {
        self.administered(&request.stream)?;
        let stream = convert::new_stream(&request, self.state.config.storage.retention_hours)?;
        let description = self.engine().create_stream(stream).await?;
        tracing::info!(stream = %description.name, token = self.identity.name(), "stream created");
        Ok(Answer::Stream(convert::stream(&description)))
    }

    async fn delete_stream(self, name: &str) -> Result<Answer> {
        let stream = self.administered(name)?;
        // What they have not delivered yet would be lost without a word.
        let _free = self.state.deliveries.keep_free(&stream).await?;
        self.engine().delete_stream(&stream).await?;
        self.state.videos.forget(&stream);
        tracing::info!(%stream, token = self.identity.name(), "stream deleted");
        Ok(Answer::Done(Done {}))
    }

    /// Producers need the shard map, so any right on the stream is enough.
    async fn describe_stream(self, name: &str) -> Result<Answer> {
        let stream = stream_name(name)?;
        self.identity
            .require_either([Right::Consume, Right::Admin], &stream)
            .or_else(|_| self.identity.require_on(Right::Produce, &stream))?;
        self.described(&stream).await
    }

    /// A stream with where each of its shards begins and ends, which only an open shard knows.
    async fn described(self, stream: &StreamName) -> Result<Answer> {
        for shard in self.engine().describe_stream(stream)?.shards {
            if shard.watermarks.is_none()
                && let Err(error) = self.engine().shard(stream, shard.id).await
            {
                // The others are worth describing; who uses this one is told why not.
                tracing::warn!(%stream, shard = %shard.id, error = %error.chain(), "open a shard");
            }
        }
        let description = self.engine().describe_stream(stream)?;
        Ok(Answer::Stream(convert::stream(&description)))
    }

    fn list_streams(self, request: &ListStreams) -> Result<Answer> {
        let limit = page(request.limit);
        let mut after = (!request.after.is_empty())
            .then(|| stream_name(&request.after))
            .transpose()?;
        let mut streams = Vec::new();
        loop {
            let page = self
                .engine()
                .list_streams(after.as_ref(), STREAMS_PER_ANSWER);
            let is_last = page.len() < STREAMS_PER_ANSWER;
            after = page.last().map(|stream| stream.name.clone()).or(after);
            let seen = page
                .iter()
                .filter(|stream| self.identity.sees(&stream.name));
            // One more than fits tells whether there are more.
            streams.extend(seen.take(limit + 1 - streams.len()).map(convert::summary));
            if is_last || streams.len() > limit {
                break;
            }
        }
        let more = streams.len() > limit;
        streams.truncate(limit);
        Ok(Answer::Streams(StreamList { streams, more }))
    }

    async fn split_shard(self, request: SplitShard) -> Result<Answer> {
        let stream = self.resharded(&request.stream)?;
        let at = convert::split_at(&request)?;
        self.engine()
            .split_shard(&stream, shard_id(request.shard), at)
            .await?;
        tracing::info!(%stream, shard = request.shard, token = self.identity.name(), "shard split");
        self.described(&stream).await
    }

    async fn merge_shards(self, request: MergeShards) -> Result<Answer> {
        let stream = self.resharded(&request.stream)?;
        let (shard, adjacent) = (shard_id(request.shard), shard_id(request.adjacent));
        self.engine().merge_shards(&stream, shard, adjacent).await?;
        tracing::info!(%stream, %shard, %adjacent, token = self.identity.name(), "shards merged");
        self.described(&stream).await
    }

    /// A stream whose shards may change: a video stream has one.
    fn resharded(self, name: &str) -> Result<StreamName> {
        let stream = self.administered(name)?;
        match self.engine().describe_stream(&stream)?.kind {
            StreamKind::Records | StreamKind::Delivery => Ok(stream),
            StreamKind::Video => Err(Error::invalid(format!(
                "{stream} is a video stream, which has one shard"
            ))),
        }
    }

    async fn register_consumer(self, request: ConsumerRef) -> Result<Answer> {
        let stream = self.consumed(&request.stream)?;
        let consumer = ConsumerName::new(&request.consumer)?;
        self.engine().register_consumer(&stream, &consumer).await?;
        Ok(Answer::Done(Done {}))
    }

    async fn deregister_consumer(self, request: ConsumerRef) -> Result<Answer> {
        let stream = self.consumed(&request.stream)?;
        let consumer = ConsumerName::new(&request.consumer)?;
        self.engine()
            .deregister_consumer(&stream, &consumer)
            .await?;
        Ok(Answer::Done(Done {}))
    }

    fn list_consumers(self, name: &str) -> Result<Answer> {
        let stream = self.consumed(name)?;
        let consumers = self.engine().list_consumers(&stream)?;
        let consumers = consumers.iter().map(convert::consumer).collect();
        Ok(Answer::Consumers(ConsumerList { consumers }))
    }
}

/// How many items an answer may hold.
fn page(limit: u32) -> usize {
    match usize::try_from(limit) {
        Ok(limit @ 1..=STREAMS_PER_ANSWER) => limit,
        _ => STREAMS_PER_ANSWER,
    }
}
