//! Writes fragments into the log, each behind the initialisation it needs.
//!
//! Invariant: before a fragment stands its initialisation, and again after every few megabytes and at
//! the end, so that one survives wherever retention cuts.

use std::sync::Arc;

use afflux_engine::{Accepted, Shard};
use afflux_entry::{Header, Kind, Producer};
use afflux_media::{Facts, Fragment, Init};
use afflux_types::{Error, Result};
use bytes::Bytes;

use super::Recording;

/// An initialisation is written again after this many bytes: some 0.1 % more.
const INIT_EVERY_BYTES: usize = 4 << 20;

/// What is needed to write the fragments of one producer.
#[derive(Debug)]
pub struct Recorder {
    shard: Shard,
    recording: Arc<Recording>,
    init: Option<Init>,
    /// Bytes of fragments since the initialisation was last written; `None`: not yet.
    since_init: Option<usize>,
}

impl Recorder {
    /// A recorder that has no initialisation yet.
    #[must_use]
    pub fn new(shard: Shard, recording: Arc<Recording>) -> Self {
        Self {
            shard,
            recording,
            init: None,
            since_init: None,
        }
    }

    /// The shard that is written to.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// The initialisation of the fragments that follow.
    #[must_use]
    pub fn init(&self) -> Option<&Init> {
        self.init.as_ref()
    }

    /// Sets the initialisation of the fragments that follow.
    pub fn set_init(&mut self, init: Init) {
        if self.init.as_ref().map(Init::id) != Some(init.id()) {
            self.since_init = None;
        }
        self.init = Some(init);
    }

    /// Appends a fragment, behind its initialisation if that is due.
    ///
    /// # Errors
    /// As [`Shard::append`].
    ///
    /// # Cancel safety
    /// A dropped future has either appended the fragment or not.
    pub async fn append(&mut self, prepared: Prepared) -> Result<Accepted> {
        let bytes = prepared.bytes();
        if self
            .since_init
            .is_none_or(|since| since >= INIT_EVERY_BYTES)
        {
            self.write_init().await?;
        }
        let Prepared { header, body } = prepared;
        let accepted = self.shard.append(header, body).await?;
        self.since_init = self.since_init.map(|since| since.saturating_add(bytes));
        Ok(accepted)
    }

    /// Writes the initialisation behind the last fragment.
    ///
    /// # Errors
    /// As [`Shard::append`].
    pub async fn finish(&mut self) -> Result<()> {
        match self.since_init {
            Some(1..) => self.write_init().await,
            _ => Ok(()),
        }
    }

    /// Writes the initialisation in front of the next fragment.
    async fn write_init(&mut self) -> Result<()> {
        let Some(init) = &self.init else {
            return Ok(());
        };
        let body = init.encode();
        self.recording.keep(init.id(), &body.concat());
        let header = Header::for_body(Kind::Init, 0, None, None, &body);
        self.shard.append(header, body).await?;
        self.since_init = Some(0);
        Ok(())
    }
}

/// A fragment in its stored form, with the header of its entry.
#[derive(Clone, Debug)]
pub struct Prepared {
    header: Header,
    body: Vec<Bytes>,
}

impl Prepared {
    /// Brings a fragment into its stored form; one with a producer is appended once.
    ///
    /// # Errors
    /// `Invalid` or `LimitExceeded` if it does not fit an entry, or has too many tags.
    pub fn new(fragment: &Fragment, facts: &Facts, producer: Option<Producer>) -> Result<Self> {
        let body = fragment.encode(facts)?;
        let time = Some(facts.producer_time);
        let mut header = Header::for_body(Kind::Fragment, 1, producer, time, NOTHING);
        header.key_frame = fragment.flags().is_keyframe();
        let header = sealed(header, &body)?;
        Ok(Self { header, body })
    }

    /// Bytes of the entry.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.header.entry_len()
    }

    /// The body of the entry, in pieces.
    #[must_use]
    pub fn body(&self) -> &[Bytes] {
        &self.body
    }
}

const NOTHING: &[Bytes] = &[];

/// Puts length and checksum of `body` into a header, in one pass over what may be 64 MiB.
fn sealed(mut header: Header, body: &[Bytes]) -> Result<Header> {
    let len = body.iter().map(Bytes::len).sum::<usize>();
    header.body_len = u32::try_from(len).map_err(|_| {
        Error::invalid(format!(
            "a fragment of {len} bytes is too long for an entry"
        ))
    })?;
    let mut checksum = header.checksum_start();
    for piece in body {
        checksum.update(piece);
    }
    header.checksum = checksum.finish();
    Ok(header)
}
