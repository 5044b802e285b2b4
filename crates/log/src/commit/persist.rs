//! Making a phase durable: the one place that decides how.
//!
//! - `Durability::Os` runs are written, nothing more.
//! - Up to [`DIRECT_SEGMENTS_MAX`] segments, and runs of [`DIRECT_BYTES_MIN`] bytes and more, are
//!   written and their files synced one by one.
//! - With more small runs than that, the runs are written to their files *and*, one after the other, to
//!   the volume's journal; only the journal is synced. The segments follow when the journal file is
//!   full, all at once, in the background.
//!
//! FORMAT.md, "Commit strategy", has the measurements behind the numbers.

use std::sync::Arc;

use afflux_types::Error;

use super::round::{Phase, Run};
use crate::Durability;
use crate::core::Core;
use crate::error::FileError;
use crate::journal::{Record, Ticket};
use crate::segment::Segment;
use crate::stats::add;

/// Files that a phase syncs one by one before it turns to the journal.
const DIRECT_SEGMENTS_MAX: usize = 4;
/// Runs of at least this size always go to their file alone: their bytes, not their number, cost.
const DIRECT_BYTES_MIN: u64 = 1 << 20;
/// New files whose names are made durable one by one; above it the whole file system is synced.
const NEW_FILES_MAX: usize = 4;

/// What is left to do once a phase is written.
pub(super) enum Sync {
    /// Sync the segments of all runs.
    Direct,
    /// Sync the journal, and the segments of the runs that are not in it.
    Journal(Ticket),
}

/// Writes the phase's runs to their files, and to the journal if that is how they become durable.
pub(super) fn write(core: &Arc<Core>, phase: &mut Phase) -> Sync {
    for run in phase.iter_mut() {
        if run.shard.stopped().is_none() {
            let pieces = run.pieces.iter().map(AsRef::as_ref);
            let written = run.segment.write(pieces, run.offset);
            run.failed = written.err().map(Error::from);
        }
    }
    let sync = journal(core, phase);
    for run in phase {
        run.pieces = Vec::new();
    }
    sync
}

/// Writes the runs that are for the journal to it, if there are enough of them.
fn journal(core: &Arc<Core>, phase: &Phase) -> Sync {
    let small: Vec<&Run> = phase.iter().filter(|run| is_for_journal(run)).collect();
    if small.len() <= DIRECT_SEGMENTS_MAX {
        return Sync::Direct;
    }
    let record = Record::new(small.iter().map(|run| {
        let pieces = run.pieces.iter().map(AsRef::as_ref);
        (&run.segment, run.offset, run.bytes, pieces)
    }));
    match core.journal.append(core, &record) {
        Ok(Some(ticket)) => {
            add(&core.store.counters.journal_rounds, 1);
            Sync::Journal(ticket)
        }
        Ok(None) => Sync::Direct,
        Err(error) => {
            core.stop_all(&error.into());
            Sync::Direct
        }
    }
}

fn is_for_journal(run: &Run) -> bool {
    run.durability == Durability::Fsync && run.failed.is_none() && run.bytes < DIRECT_BYTES_MIN
}

/// Makes a written phase durable; runs that cannot be are marked as failed.
pub(super) fn finish(core: &Arc<Core>, phase: &mut Phase, sync: Sync) {
    let new = name_files(core, phase);
    if let Err(error) = new {
        core.stop_all(&error.into());
        return;
    }
    let journaled = matches!(sync, Sync::Journal(_));
    if let Sync::Journal(ticket) = sync
        && let Err(error) = core.journal.sync(ticket)
    {
        core.stop_all(&error.into());
        return;
    }
    for run in phase {
        if run.failed.is_some() || run.shard.stopped().is_some() {
            continue;
        }
        if run.durability == Durability::Os {
            run.segment.settle(run.segment.written());
        } else if !(journaled && is_for_journal(run)) {
            run.failed = run.segment.sync().err().map(Error::from);
        }
    }
}

/// Whether the segment's name must be durable before the run is published. Without that of its first
/// segment, a log would not know where its positions go on.
fn needs_name(run: &Run) -> bool {
    run.durability == Durability::Fsync || run.segment.ordinal() == 0
}

/// Makes the names of segments durable that are new.
fn name_files(core: &Arc<Core>, phase: &Phase) -> Result<(), FileError> {
    let new: Vec<&Arc<Segment>> = phase
        .iter()
        .filter(|run| needs_name(run) && !run.segment.name_is_durable())
        .map(|run| &run.segment)
        .collect();
    if new.len() > NEW_FILES_MAX {
        core.store.sync_all()?;
    } else {
        for segment in &new {
            match segment
                .sync()
                .and_then(|()| core.store.sync_dirs(segment.dir()))
            {
                // The log is being removed.
                Err(error) if error.is_not_found() => {}
                result => result?,
            }
        }
    }
    for segment in new {
        segment.set_name_durable();
    }
    Ok(())
}
