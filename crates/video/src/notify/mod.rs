//! Tells others of fragments that are stored: a data stream or a webhook, and a directory that gets
//! pictures of them.
//!
//! # Shape
//! A fragment asks for it with a tag, and the stream says where to. [`LANES`] tasks send messages and as
//! many make pictures; a stream has its lane, in which its fragments take turns, so that they are told
//! of in order and a webhook that hangs delays few others. Each fragment waits until it is durable. What
//! is told is not kept: a fragment that a server was about to tell of when it stopped is not told of
//! again, and when more wait in a lane than [`NOTICES_MAX`] the newest are dropped, with a word in the
//! log.

mod message;
mod pictures;
mod target;
mod webhook;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock};

use afflux_aws::video::values::ConfigurationStatus;
use afflux_engine::Shard;
use afflux_media::{Facts, Tag};
use afflux_types::{FragmentNumber, ProducerTime, Result, StreamName};
use tokio::sync::mpsc;

use crate::context::{Context, Known};
use crate::limits::{LANES, NOTICE_TIMEOUT, NOTICES_MAX};

pub(crate) use pictures::check as check_pictures;
pub(crate) use target::Destination;

/// Begins the names of tags that mean something to the service.
const RESERVED: &str = "AWS";
const NOTIFICATION: &str = "AWS_KINESISVIDEO_NOTIFICATION";
const IMAGE_GENERATION: &str = "AWS_KINESISVIDEO_IMAGE_GENERATION";
const IMAGE_PREFIX: &str = "AWS_KINESISVIDEO_IMAGE_PREFIX";

/// Whether a tag of this name is not a producer's own.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED)
}

/// Whether a tag of this name asks for something that is done here.
pub(crate) fn is_known(name: &str) -> bool {
    [NOTIFICATION, IMAGE_GENERATION, IMAGE_PREFIX].contains(&name)
}

/// A fragment that asks to be told of.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    shard: Shard,
    number: FragmentNumber,
    producer_time: ProducerTime,
    tags: Vec<Tag>,
}

impl Notice {
    fn asks(&self, name: &str) -> bool {
        self.tags.iter().any(|tag| tag.name() == name)
    }

    fn stream(&self) -> &StreamName {
        self.shard.stream_name()
    }

    /// The producer's own tags.
    fn own_tags(&self) -> impl Iterator<Item = &Tag> {
        self.tags.iter().filter(|tag| !is_reserved(tag.name()))
    }
}

/// What a fragment may ask for.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Message,
    Pictures,
}

impl Wish {
    const ALL: [Self; 2] = [Self::Message, Self::Pictures];

    /// The tag that asks for it.
    fn tag(self) -> &'static str {
        match self {
            Self::Message => NOTIFICATION,
            Self::Pictures => IMAGE_GENERATION,
        }
    }
}

type Job = (Arc<Context>, Notice);
type Lanes = Vec<mpsc::Sender<Job>>;

/// Takes fragments that ask to be told of.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    messages: OnceLock<Lanes>,
    pictures: OnceLock<Lanes>,
    trust: webhook::Trust,
}

impl Desk {
    fn lane(&self, wish: Wish, stream: &StreamName) -> Option<&mpsc::Sender<Job>> {
        let lanes = match wish {
            Wish::Message => &self.messages,
            Wish::Pictures => &self.pictures,
        };
        let lanes = lanes.get_or_init(|| (0..LANES).map(|_| start(wish)).collect());
        let mut hash = DefaultHasher::new();
        stream.hash(&mut hash);
        let lane = usize::try_from(hash.finish() % u64::from(LANES)).ok()?;
        lanes.get(lane)
    }
}

/// Tells of a fragment that was appended, if it asks for that, once it is durable.
pub(crate) fn fragment(ctx: &Arc<Context>, shard: &Shard, facts: &Facts, number: FragmentNumber) {
    let notice = Notice {
        shard: shard.clone(),
        number,
        producer_time: facts.producer_time,
        tags: facts.tags.clone(),
    };
    let stream = shard.stream_name();
    for wish in Wish::ALL {
        if !notice.asks(wish.tag()) {
            continue;
        }
        let lane = ctx.puts.desk.lane(wish, stream);
        let sent = lane.map(|lane| lane.try_send((Arc::clone(ctx), notice.clone())));
        if let Some(Err(error)) = sent {
            tracing::warn!(%stream, %number, %error, "a fragment is not told of");
        }
    }
}

fn start(wish: Wish) -> mpsc::Sender<Job> {
    let (sender, mut waiting) = mpsc::channel::<Job>(NOTICES_MAX);
    tokio::spawn(async move {
        while let Some((ctx, notice)) = waiting.recv().await {
            if let Err(error) = grant(&ctx, wish, &notice).await {
                let (stream, number) = (notice.stream(), notice.number);
                tracing::warn!(%stream, %number, error = %error.chain(), "tell of a fragment");
            }
        }
    });
    sender
}

async fn grant(ctx: &Arc<Context>, wish: Wish, notice: &Notice) -> Result<()> {
    let end = notice.number.position().advance(1);
    notice.shard.wait_durable(end).await?;
    let Ok(known) = ctx.known(notice.stream()) else {
        // It was deleted meanwhile.
        return Ok(());
    };
    match wish {
        Wish::Message => tell(ctx, &known, notice).await,
        Wish::Pictures => pictures::make(ctx, &known, notice).await,
    }
}

async fn tell(ctx: &Arc<Context>, known: &Known, notice: &Notice) -> Result<()> {
    let Some(uri) = notified(known) else {
        return Ok(());
    };
    let destination: Destination = uri.parse()?;
    let text = message::text(&known.arn(ctx).to_string(), notice);
    let sent = tokio::time::timeout(NOTICE_TIMEOUT, destination.send(ctx, notice, text)).await;
    sent.unwrap_or_else(|error| {
        let late = afflux_types::Error::unavailable(format!("{uri} did not answer in time"));
        Err(late.with_source(error))
    })
}

/// Where a stream's fragments are told of.
fn notified(known: &Known) -> Option<&str> {
    let configuration = known.attributes.notification.as_ref()?;
    let is_enabled = configuration.status == ConfigurationStatus::Enabled;
    is_enabled.then_some(configuration.destination_config.uri.as_str())
}

#[cfg(test)]
mod tests;
