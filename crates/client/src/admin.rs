//! Administration: one request, one answer.

use afflux_types::{DeliveryName, Error, HashKey, Result, ShardId, StreamName};
use afflux_wire::message::{
    Activity, AdminRequest, Answer, Command, ConsumerRef, CreateStream, Delivery, DeliveryRef,
    FragmentList, ListDeliveries, ListFragments, ListStreams, MergeShards, NewDelivery,
    PauseDelivery, SplitShard, StreamDescription, StreamList, StreamRef,
};
use afflux_wire::{EntryLimits, Frame, message};

use crate::connect::{Client, Trouble};

/// The variants of an answer as what they hold, or an error.
macro_rules! expect {
    ($answer:expr, $variant:ident) => {
        match $answer {
            Answer::$variant(value) => Ok(value),
            other => Err(mismatch(&other)),
        }
    };
}

impl Client {
    /// Creates a stream.
    ///
    /// # Errors
    /// `InUse` if the name is taken; `Invalid` or `LimitExceeded` if the request is.
    pub async fn create_stream(&self, request: CreateStream) -> Result<StreamDescription> {
        expect!(self.admin(Command::CreateStream(request)).await?, Stream)
    }

    /// Deletes a stream with all of its records.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub async fn delete_stream(&self, stream: &StreamName) -> Result<()> {
        self.done(Command::DeleteStream(stream_ref(stream))).await
    }

    /// Describes a stream with all of its shards.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub async fn describe_stream(&self, stream: &StreamName) -> Result<StreamDescription> {
        let command = Command::DescribeStream(stream_ref(stream));
        expect!(self.admin(command).await?, Stream)
    }

    /// Lists streams whose names come after `after`; `limit` zero means as many as one answer holds.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn list_streams(&self, after: Option<&StreamName>, limit: u32) -> Result<StreamList> {
        let after = after.map_or_else(String::new, |name| name.as_str().to_owned());
        let command = Command::ListStreams(ListStreams { after, limit });
        expect!(self.admin(command).await?, Streams)
    }

    /// Splits a shard, at `at` or in the middle.
    ///
    /// # Errors
    /// `NotFound` if there is no such shard; `Invalid` if it is closed or `at` is not inside it.
    pub async fn split_shard(
        &self,
        stream: &StreamName,
        shard: ShardId,
        at: Option<HashKey>,
    ) -> Result<StreamDescription> {
        let halves = at.map(|at| halves(at.get()));
        let command = Command::SplitShard(SplitShard {
            stream: stream.as_str().to_owned(),
            shard: shard.get(),
            at_high: halves.map(|(high, _)| high),
            at_low: halves.map(|(_, low)| low),
        });
        expect!(self.admin(command).await?, Stream)
    }

    /// Merges a shard with one whose range touches its own.
    ///
    /// # Errors
    /// `NotFound` if one does not exist; `Invalid` if one is closed or they do not touch.
    pub async fn merge_shards(
        &self,
        stream: &StreamName,
        shard: ShardId,
        adjacent: ShardId,
    ) -> Result<StreamDescription> {
        let command = Command::MergeShards(MergeShards {
            stream: stream.as_str().to_owned(),
            shard: shard.get(),
            adjacent: adjacent.get(),
        });
        expect!(self.admin(command).await?, Stream)
    }

    /// Registers a consumer.
    ///
    /// # Errors
    /// `NotFound` if there is no such stream; `InUse` if the name is taken.
    pub async fn register_consumer(
        &self,
        stream: &StreamName,
        consumer: &afflux_types::ConsumerName,
    ) -> Result<()> {
        self.done(Command::RegisterConsumer(consumer_ref(stream, consumer)))
            .await
    }

    /// Removes a registered consumer.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub async fn deregister_consumer(
        &self,
        stream: &StreamName,
        consumer: &afflux_types::ConsumerName,
    ) -> Result<()> {
        self.done(Command::DeregisterConsumer(consumer_ref(stream, consumer)))
            .await
    }

    /// The registered consumers of a stream.
    ///
    /// # Errors
    /// `NotFound` if there is no such stream.
    pub async fn list_consumers(&self, stream: &StreamName) -> Result<Vec<message::Consumer>> {
        let command = Command::ListConsumers(stream_ref(stream));
        expect!(self.admin(command).await?, Consumers).map(|list| list.consumers)
    }

    /// Lists fragments of a video stream.
    ///
    /// # Errors
    /// `NotFound` if there is no such stream; `Invalid` if it is no video stream.
    pub async fn list_fragments(&self, request: ListFragments) -> Result<FragmentList> {
        expect!(
            self.admin(Command::ListFragments(request)).await?,
            Fragments
        )
    }

    /// Makes a delivery stream.
    ///
    /// # Errors
    /// `Invalid` for settings that the server does not understand; `NotFound` if the source, a bucket or a
    /// directory does not exist; `InUse` if the name is taken.
    pub async fn create_delivery(&self, new: NewDelivery) -> Result<()> {
        self.done(Command::CreateDelivery(new)).await
    }

    /// Changes what a delivery stream does.
    ///
    /// # Errors
    /// As [`Client::create_delivery`]; `Expired` if it has another version.
    pub async fn update_delivery(&self, changed: NewDelivery) -> Result<()> {
        self.done(Command::UpdateDelivery(changed)).await
    }

    /// Lets a delivery stream wait, or go on.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub async fn pause_delivery(&self, delivery: &DeliveryName, paused: bool) -> Result<()> {
        let delivery = delivery.to_string();
        let command = Command::PauseDelivery(PauseDelivery { delivery, paused });
        self.done(command).await
    }

    /// Ends a delivery stream; its objects stay.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub async fn delete_delivery(&self, delivery: &DeliveryName) -> Result<()> {
        let delivery = delivery.to_string();
        self.done(Command::DeleteDelivery(DeliveryRef { delivery }))
            .await
    }

    /// All delivery streams and how they are doing.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn list_deliveries(&self) -> Result<Vec<Delivery>> {
        let mut deliveries: Vec<Delivery> = Vec::new();
        loop {
            let last = deliveries.last().map(|last| last.delivery.clone());
            let command = Command::ListDeliveries(ListDeliveries {
                after: last.unwrap_or_default(),
                limit: 0,
            });
            let page = expect!(self.admin(command).await?, Deliveries)?;
            let more = page.more && !page.deliveries.is_empty();
            deliveries.extend(page.deliveries);
            if !more {
                return Ok(deliveries);
            }
        }
    }

    async fn done(&self, command: Command) -> Result<()> {
        expect!(self.admin(command).await?, Done).map(|_| ())
    }

    /// Sends a command and waits for its answer.
    ///
    /// The command is sent again only if the connection broke before it left.
    ///
    /// # Errors
    /// What the server answers, or `Unavailable`.
    pub async fn admin(&self, command: Command) -> Result<Answer> {
        let mut backoff = self.backoff();
        let mut stream = loop {
            let request = AdminRequest {
                command: Some(command.clone()),
            };
            match self.open(Activity::Admin(request), EntryLimits::NONE).await {
                Ok(stream) => break stream,
                Err(trouble) => Self::pause(&mut backoff, trouble).await?,
            }
        };
        stream.writer.finish();
        answer(&mut stream.reader)
            .await
            .map_err(Trouble::into_error)
    }
}

async fn answer(reader: &mut crate::connect::Reader) -> Result<Answer, Trouble> {
    match reader.frame("instead of an answer").await? {
        Frame::AdminResponse(response) => response.answer.ok_or_else(|| {
            Trouble::Fatal(Error::internal("the server's answer is of an unknown kind"))
        }),
        other => Err(Trouble::unexpected(&other, "instead of an answer")),
    }
}

fn mismatch(answer: &Answer) -> Error {
    Error::internal(format!("the server answered something else: {answer:?}"))
}

fn stream_ref(stream: &StreamName) -> StreamRef {
    StreamRef {
        stream: stream.as_str().to_owned(),
    }
}

fn consumer_ref(stream: &StreamName, consumer: &afflux_types::ConsumerName) -> ConsumerRef {
    ConsumerRef {
        stream: stream.as_str().to_owned(),
        consumer: consumer.as_str().to_owned(),
    }
}

/// A number of 128 bits as its high and low half.
fn halves(value: u128) -> (u64, u64) {
    let half = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    (half(value >> 64), half(value))
}
