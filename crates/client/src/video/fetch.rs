//! Reading video: what is stored, once, or everything as it comes.

use std::fmt;

use afflux_entry::Kind;
use afflux_media::{Init, InitId, Limits, StoredFragment};
use afflux_types::{Error, Result, ShardId, StreamName};
use afflux_wire::message::{self, Activity, FragmentSelector, TimeAxis};
use afflux_wire::{EntryLimits, Frame, Item};
use bytes::Bytes;

use crate::connect::{Client, Reader, Trouble, Writer};
use crate::consumer::{Batch, Consumer, ConsumerOptions, From, Shards};

/// The shard that all of a video stream is in.
const VIDEO_SHARD: u32 = 0;

/// Stored fragments, in order, each initialisation before the fragments that need it.
pub struct Fetch {
    reader: Reader,
    /// Kept open: dropping it would end the request.
    _writer: Writer,
    ended: bool,
}

impl Client {
    /// Reads stored fragments once.
    ///
    /// # Errors
    /// `NotFound` if there is no such stream; `Invalid` if it is no video stream.
    pub async fn fetch_fragments(
        &self,
        stream: &StreamName,
        selector: FragmentSelector,
    ) -> Result<Fetch> {
        let mut backoff = self.backoff();
        let fetch = message::Fetch {
            stream: stream.as_str().to_owned(),
            selector: Some(selector),
        };
        let mut stream = loop {
            let activity = Activity::Fetch(fetch.clone());
            match self.open(activity, EntryLimits::all()).await {
                Ok(stream) => break stream,
                Err(trouble) => Self::pause(&mut backoff, trouble).await?,
            }
        };
        stream.writer.finish();
        Ok(Fetch {
            reader: stream.reader,
            _writer: stream.writer,
            ended: false,
        })
    }

    /// Reads a video stream as it comes: fragments, each initialisation before the fragments that
    /// need it, also when `from` lies after where it was stored.
    ///
    /// # Errors
    /// `NotFound` if there is no such stream.
    pub async fn follow_video(&self, stream: &StreamName, from: From) -> Result<Follow> {
        let options = ConsumerOptions {
            from,
            shards: Shards::One(ShardId::new(VIDEO_SHARD)),
            ..ConsumerOptions::default()
        };
        Ok(Follow {
            consumer: self.consumer(stream, options).await?,
            client: self.clone(),
            stream: stream.clone(),
            init: None,
            waiting: None,
        })
    }
}

impl Fetch {
    /// The next initialisation or fragment; `None` at the end.
    ///
    /// # Errors
    /// What the server answers; `Unavailable` if the connection broke.
    pub async fn next(&mut self) -> Result<Option<Batch>> {
        if self.ended {
            return Ok(None);
        }
        let item = self.item().await.map_err(Trouble::into_error)?;
        self.ended = item.is_none();
        Ok(item)
    }

    async fn item(&mut self) -> Result<Option<Batch>, Trouble> {
        loop {
            return match self.reader.next().await? {
                Some(Item::Entry(entry)) if entry.header.kind == Kind::Marker => continue,
                Some(Item::Entry(entry)) => {
                    Ok(Some(Batch::new(ShardId::new(VIDEO_SHARD), entry, 0)))
                }
                Some(Item::Frame(Frame::FetchEnd(_))) => Ok(None),
                Some(Item::Frame(other)) => Err(Trouble::unexpected(&other, "among fragments")),
                None => Err(afflux_wire::WireError::Cut {
                    what: "stored fragments",
                }
                .into()),
            };
        }
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// A video stream as it comes.
#[derive(Debug)]
pub struct Follow {
    consumer: Consumer,
    client: Client,
    stream: StreamName,
    init: Option<InitId>,
    /// A fragment whose initialisation was handed out instead.
    waiting: Option<Batch>,
}

impl Follow {
    /// The next initialisation or fragment; `None` when the stream has ended.
    ///
    /// # Errors
    /// As [`Consumer::next`]; `DataLoss` if a fragment's initialisation is not stored any more.
    pub async fn next(&mut self) -> Result<Option<Batch>> {
        if let Some(fragment) = self.waiting.take() {
            return Ok(Some(fragment));
        }
        loop {
            let Some(batch) = self.consumer.next_batch().await? else {
                return Ok(None);
            };
            match batch.kind() {
                Kind::Init => {
                    let id = init_id(&batch.body())?;
                    if self.init.replace(id) != Some(id) {
                        return Ok(Some(batch));
                    }
                }
                Kind::Fragment => {
                    let meta = StoredFragment::peek(&batch.body()).map_err(damaged)?;
                    if self.init == Some(meta.init_id) {
                        return Ok(Some(batch));
                    }
                    let init = self.fetch_init(&batch, meta.init_id).await?;
                    self.init = Some(meta.init_id);
                    self.waiting = Some(batch);
                    return Ok(Some(init));
                }
                Kind::Batch | Kind::Marker => {}
            }
        }
    }

    /// The initialisation that a fragment from the middle of a stream needs.
    async fn fetch_init(&self, fragment: &Batch, wanted: InitId) -> Result<Batch> {
        let arrival = fragment.arrival().as_millis();
        let selector = FragmentSelector {
            axis: TimeAxis::Server.into(),
            from_ms: Some(arrival),
            to_ms: Some(arrival.saturating_add(1)),
            cover_start: false,
        };
        let mut fetch = self.client.fetch_fragments(&self.stream, selector).await?;
        while let Some(batch) = fetch.next().await? {
            if batch.kind() == Kind::Init && init_id(&batch.body())? == wanted {
                return Ok(batch);
            }
        }
        Err(Error::new(
            afflux_types::ErrorKind::DataLoss,
            format!("initialisation {wanted} is not stored any more"),
        ))
    }
}

fn init_id(body: &Bytes) -> Result<InitId> {
    let init = Init::decode(body, &Limits::default()).map_err(damaged)?;
    Ok(init.id())
}

fn damaged(error: afflux_media::Error) -> Error {
    Error::new(
        afflux_types::ErrorKind::DataLoss,
        format!("stored video is damaged: {error}"),
    )
    .with_source(error)
}
