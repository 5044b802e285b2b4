//! What the assembler takes for granted, and what it hands out.

use super::header::Header;
use super::tags::Tag;
use crate::fragment::Fragment;
use crate::init::Init;
use crate::limits::Limits;

/// How fragments are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// What an input may ask for.
    pub limits: Limits,
    /// What becomes of small Clusters.
    pub coalesce: Coalesce,
}

/// What becomes of Clusters of less than a second that do not start with a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Coalesce {
    /// Each is a fragment, as in Kinesis Video Streams.
    Never,
    /// They join the fragment before them, up to ten seconds and half of its largest size.
    #[default]
    Small,
}

/// Something that the caller has to act on.
#[derive(Clone, Debug)]
pub enum Assembled {
    /// A document has started; `FragmentStart`s follow.
    Header(Header),
    /// A fragment has started: its first frames are here.
    Started(FragmentStart),
    /// A small Cluster has joined the fragment that has started.
    Joined {
        /// Its timestamp as sent.
        timecode: u64,
    },
    /// The fragment that had started is complete.
    Finished(Box<Assembly>),
}

/// The start of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentStart {
    /// The timestamp of its Cluster as sent, by which it is acknowledged.
    pub timecode: u64,
    /// The same in milliseconds, rounded down.
    pub time_ms: i64,
    /// Whether it is less than that of the fragment before.
    pub backward: bool,
}

/// A complete fragment.
#[derive(Clone, Debug)]
pub struct Assembly {
    /// The timestamp of its Cluster as sent.
    pub timecode: u64,
    /// The same in milliseconds, rounded down.
    pub time_ms: i64,
    /// Timestamps of the Clusters that joined it.
    pub joined: Vec<u64>,
    /// What its samples are coded with.
    pub init: Init,
    /// Its samples.
    pub fragment: Fragment,
    /// What the producer said of it, as sent: neither lengths nor names have been checked. Tags of
    /// the file are among them if all fit a fragment.
    pub tags: Vec<Tag>,
    /// Numbers of the tracks without a frame in it.
    pub missing: Vec<u64>,
    /// Why it is complete.
    pub closed: Closed,
}

/// Why a fragment is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Another Cluster started.
    NextCluster,
    /// A tag said so.
    EndOfFragmentTag,
    /// Another document started.
    NextHeader,
    /// The input ended.
    EndOfInput,
    /// What follows it cannot be read.
    Failure,
}
