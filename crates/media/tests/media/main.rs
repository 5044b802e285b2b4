//! The crate from outside, on files that ffmpeg made and on files that nobody should make.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broken; // uploads that fail
mod clips; // progressive files, read by an independent parser
mod exact; // the same of exactly a range
mod fragments; // the stored form, and every way in which a moof can lie
mod hostile; // nothing panics, whatever the bytes
mod inits; // what is known of the tracks
mod kvs; // real uploads, and a driver for the assembler
mod matroska; // uploads of producers of Kinesis Video Streams
mod playing; // fragmented output that plays
mod scanning; // every way to lay Matroska out, and to get it wrong
mod splitting; // cutting an input at any byte
mod support;
