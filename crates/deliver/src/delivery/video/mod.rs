//! Video on its way into objects: fragments become MP4 files, and the files of an hour one playlist.
//!
//! ```text
//! 2026/11/21/23/cam-2026-11-21-23.m3u8                  replaced with every batch of the hour
//! 2026/11/21/23/cam-1-2026-11-21-23-00-04-<uuid>.mp4    written once: init, then fragments
//! 2026/11/21/23/cam-1-2026-11-21-23-01-04-<uuid>.mp4
//! ```
//!
//! The hour is that of arrival, by the delivery's time zone, as in the names of objects. Every object
//! plays by itself. In a playlist they have one time: its zero is the hour's first fragment, and what
//! follows stands where the producer's clock puts it, so that a player needs no help to go from one object
//! to the next, and a gap is a gap that the camera had ([`Clock`]).
//!
//! # One playlist, one codec
//! A camera that changes its codec's settings begins another playlist of the hour (`…-23-2.m3u8`), and so
//! does a playlist that is full ([`reel::SEGMENTS_MAX`]). A playlist may name several initialisations, but players such as
//! ffmpeg skip all but the first and then decode noise. Initialisations that differ only in what no player
//! sees, such as the header of a camera's new Matroska file, are one.
//!
//! A playlist that is there already, because a delivery stream of the same name wrote it that was deleted since, or
//! that another server has, stays as it is: one that begins has the next number that nobody has.
//!
//! # One object, whole groups of pictures
//! An object ends where a key frame follows, up to ten seconds later and up to four times as large as it is to be, and
//! so does a batch. One that is late, because the one before could not be published, waits for a key frame too, and
//! so does one that may not grow any more. Only where a delivery stream is stopped does an object end where it is.
//!
//! # Exactly once
//! Which segments the hour has, and its [`Clock`], are a [`Reel`]: a file of the spool, one for each batch,
//! durable before the intent. A batch's playlists are files of the spool as well, and written to their
//! places after the objects that they name. So a playlist never names what is not there, and what is done
//! again after a crash gives the same.

mod clock;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod fault_tests;
mod film;
mod policy;
mod reel;

pub(crate) use film::{Film, Shot};
pub(crate) use policy::{KEY_FRAME_WAIT, Policy};
pub(crate) use reel::{Hour, Reel};

use clock::{Clock, Placed};
