//! What a shard's writer knows of video: the codec initialisation, and where a file's time begins.
//!
//! The last init is kept in the hidden directory, because the stream's retention may delete it while
//! a camera's session goes on: after a restart the fragments that follow must still be playable.

use std::path::Path;

use afflux_media::playback::{Shift, fragment_bytes, init_segment};
use afflux_media::{Init, InitId, Limits, StoredFragment, Track, TrackMeta};
use bytes::Bytes;

use crate::fault::{Fault, Result};
use crate::fs::FileSystem;
use crate::names::ShardPaths;

/// The video of one shard.
#[derive(Debug, Default)]
pub(super) struct Video {
    /// What fragments are written with.
    init: Option<Init>,
    /// An init that is not in the stream any more.
    lost: Option<InitId>,
    /// Of the next `moof` in the open file.
    sequence: u32,
    /// Move the open file's start to time zero.
    shifts: Vec<Shift>,
}

/// Whether a fragment's init is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Yes,
    /// It has to be looked for.
    NotYet,
    /// It was looked for and is nowhere.
    Never,
}

impl Video {
    /// Reads the init that was kept, if it is there and whole.
    pub(super) fn load(fs: &dyn FileSystem, paths: &ShardPaths) -> Result<Self> {
        let path = paths.init();
        if fs
            .len(&path)
            .map_err(Fault::io("look for", &path))?
            .is_none()
        {
            return Ok(Self::default());
        }
        let mut body = Vec::new();
        let mut file = fs.read_at(&path, 0).map_err(Fault::io("open", &path))?;
        file.read_to_end(&mut body)
            .map_err(Fault::io("read", &path))?;
        // A torn one is looked for in the stream like one that was never seen.
        let init = Init::decode(&body.into(), &Limits::default()).ok();
        Ok(Self {
            init,
            ..Self::default()
        })
    }

    /// Takes an init for the fragments that name it, and keeps it.
    pub(super) fn learn(
        &mut self,
        fs: &dyn FileSystem,
        paths: &ShardPaths,
        init: Init,
    ) -> Result<()> {
        if self.init.as_ref().map(Init::id) != Some(init.id()) {
            keep(fs, &paths.init(), &init)?;
            self.init = Some(init);
        }
        Ok(())
    }

    /// Notes that an init was looked for and not found.
    pub(super) fn give_up(&mut self, init: InitId) {
        self.lost = Some(init);
    }

    pub(super) fn known(&self, id: InitId) -> Known {
        if self.init.as_ref().is_some_and(|init| init.id() == id) {
            return Known::Yes;
        }
        match self.lost == Some(id) {
            true => Known::Never,
            false => Known::NotYet,
        }
    }

    /// Whether the fragment lies after the open file's start in every track.
    pub(super) fn fits(&self, fragment: &StoredFragment) -> bool {
        fragment_bytes(fragment, 0, &self.shifts).is_ok()
    }

    /// Begins a file with `fragment`: returns what comes before it.
    pub(super) fn begin(&mut self, fragment: &StoredFragment) -> Bytes {
        let Some(init) = &self.init else {
            return Bytes::new();
        };
        self.sequence = 1;
        self.shifts = shifts_to_zero(init, fragment);
        init_segment(init)
    }

    /// The fragment as it stands in the open file.
    pub(super) fn play(
        &mut self,
        fragment: &StoredFragment,
    ) -> Result<Vec<Bytes>, afflux_media::Error> {
        let pieces = fragment_bytes(fragment, self.sequence, &self.shifts)?;
        let boxes = u32::try_from(fragment.meta().tracks.len()).unwrap_or(u32::MAX);
        self.sequence = self.sequence.wrapping_add(boxes);
        Ok(pieces)
    }

    /// Bytes of the init.
    pub(super) fn init_bytes(&self) -> u64 {
        let bytes = self.init.as_ref().map_or(0, |init| init.bytes().len());
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Replaces the init that is kept.
fn keep(fs: &dyn FileSystem, path: &Path, init: &Init) -> Result<()> {
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = fs.create(&temporary)?;
        for piece in init.encode() {
            file.write_all(&piece)?;
        }
        file.sync()?;
        fs.rename(&temporary, path)?;
        fs.sync_dir(path.parent().unwrap_or(path))
    };
    write().map_err(Fault::io("write", path))
}

/// Moves every track by the same time so that the first one of `fragment` starts at zero.
fn shifts_to_zero(init: &Init, fragment: &StoredFragment) -> Vec<Shift> {
    // As seconds with 64 bits after the point: exact enough to compare.
    let start = |track: &&TrackMeta| {
        (u128::from(track.base_decode_time) << 64) / u128::from(track.timescale.max(1))
    };
    let Some(first) = fragment.meta().tracks.iter().min_by_key(start) else {
        return Vec::new();
    };
    let (base, scale) = (
        u128::from(first.base_decode_time),
        u128::from(first.timescale.max(1)),
    );
    let shift = |track: &Track| {
        let ticks = base * u128::from(track.timescale()) / scale;
        Shift {
            track_id: track.id(),
            ticks: -i64::try_from(ticks).unwrap_or(i64::MAX),
        }
    };
    init.tracks().iter().map(shift).collect()
}
