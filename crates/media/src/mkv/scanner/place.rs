//! Where an element belongs, and what its place means: the end of a Cluster or a document, something
//! to collect, something to skip, or an error.

use super::gather::Gather;
use super::{Cluster, Document, Scanner, State};
use crate::mkv::ebml::{ElementHeader, HEADER_BYTES_MAX, Id, UNKNOWN_SIZE, put_id};
use crate::mkv::error::Error;
use crate::mkv::header::EBML_BYTES_MAX;
use crate::mkv::tags::TAGS_BYTES_MAX;
use crate::rope::length;

impl Scanner {
    /// Decides what to do with an element, by its header alone.
    pub(super) fn start_element(&mut self, header: ElementHeader, raw: &[u8]) -> Result<(), Error> {
        let start = self.input.position() - length(raw);
        let id = header.id;
        self.leave(id, start);
        if self.document.segment_end.is_none() {
            return self.start_document(header, raw, start);
        }
        let end = header.bytes.map(|bytes| {
            self.input
                .position()
                .checked_add(bytes)
                .unwrap_or(u64::MAX - 1)
        });
        self.check_end(id, start, end)?;
        match id {
            Id::INFO | Id::TRACKS if self.document.scale.is_none() => {
                // The init holds the header and, once more, what a decoder needs.
                let limit = self.limits.init_bytes / 2;
                let left =
                    limit.saturating_sub(length(self.document.head.as_deref().unwrap_or_default()));
                self.start_collect(header, start, left)?;
                self.document.keep(raw);
            }
            Id::TAGS => {
                self.in_tags = true;
                self.start_collect(header, start, TAGS_BYTES_MAX)?;
            }
            Id::CLUSTER if self.cluster.is_none() => {
                self.complete_header()?;
                if self.document.scale.is_none() {
                    return Err(Error::NoTracks);
                }
                self.cluster = Some(Cluster {
                    position: start,
                    end: end.unwrap_or(u64::MAX),
                    timecode: None,
                });
            }
            Id::TIMESTAMP if self.cluster.is_some() => self.start_collect(header, start, 8)?,
            Id::SIMPLE_BLOCK | Id::BLOCK_GROUP => {
                if self
                    .cluster
                    .is_none_or(|cluster| cluster.timecode.is_none())
                {
                    return Err(Error::FrameBeforeTimestamp { offset: start });
                }
                let limit = self.limits.fragment_bytes_max();
                self.start_collect(header, start, limit)?;
            }
            Id::SEGMENT | Id::CLUSTER | Id::ENCRYPTED_BLOCK | Id::BLOCK => {
                return Err(Error::Misplaced {
                    id,
                    place: "a Segment",
                    offset: start,
                });
            }
            _ => {
                let left = header
                    .bytes
                    .ok_or(Error::UnknownSize { id, offset: start })?;
                self.state = State::Skip { id, left };
            }
        }
        Ok(())
    }

    /// Ends what an element at `start` with this id cannot be part of.
    fn leave(&mut self, id: Id, start: u64) {
        let segment_ends =
            id == Id::EBML || self.document.segment_end.is_some_and(|end| end <= start);
        let ends_cluster = |cluster: &Cluster| {
            segment_ends || cluster.end <= start || cluster.end == u64::MAX && id.is_in_segment()
        };
        if self.cluster.as_ref().is_some_and(ends_cluster) {
            self.end_cluster();
        }
        if segment_ends {
            self.document.segment_end = None;
        }
    }

    /// An element may not run past what it lies in.
    fn check_end(&self, id: Id, offset: u64, end: Option<u64>) -> Result<(), Error> {
        let overrun = |parent| Error::Overrun { id, parent, offset };
        // What ends only by what follows may lie in what ends at a place: it must end before.
        let end = end.unwrap_or(0);
        if self.cluster.is_some_and(|cluster| end > cluster.end) {
            return Err(overrun(Id::CLUSTER));
        }
        if self
            .document
            .segment_end
            .is_some_and(|segment| end > segment)
        {
            return Err(overrun(Id::SEGMENT));
        }
        Ok(())
    }

    /// An element outside a Segment: the EBML head, then the Segment.
    fn start_document(
        &mut self,
        header: ElementHeader,
        raw: &[u8],
        start: u64,
    ) -> Result<(), Error> {
        let id = header.id;
        match id {
            Id::EBML => {
                self.document = Document {
                    head: Some(Vec::new()),
                    ..Document::default()
                };
                self.start_collect(header, start, EBML_BYTES_MAX)?;
                self.document.keep(raw);
            }
            Id::SEGMENT if self.document.head.is_some() => {
                let end = header
                    .bytes
                    .and_then(|bytes| self.input.position().checked_add(bytes));
                self.document.segment_end = Some(end.unwrap_or(u64::MAX));
                self.document.keep(&unknown_segment(header, raw));
            }
            Id::VOID | Id::CRC_32 if self.document.has_started() => {
                let left = header
                    .bytes
                    .ok_or(Error::UnknownSize { id, offset: start })?;
                self.state = State::Skip { id, left };
            }
            _ if start == 0 => {
                return Err(Error::NotMatroska {
                    byte: raw.first().copied().unwrap_or(0),
                });
            }
            _ => {
                return Err(Error::Misplaced {
                    id,
                    place: "a document outside its Segment",
                    offset: start,
                });
            }
        }
        Ok(())
    }

    fn start_collect(
        &mut self,
        header: ElementHeader,
        start: u64,
        limit: u64,
    ) -> Result<(), Error> {
        let id = header.id;
        let bytes = header
            .bytes
            .ok_or(Error::UnknownSize { id, offset: start })?;
        if bytes > limit {
            return Err(Error::TooLarge {
                id,
                offset: start,
                bytes,
                limit,
            });
        }
        self.state = State::Collect {
            id,
            gather: Gather::default(),
            left: bytes,
        };
        Ok(())
    }
}

/// The header of a Segment, as it is if its size is unknown, else with an unknown size as long.
fn unknown_segment(header: ElementHeader, raw: &[u8]) -> Vec<u8> {
    if header.bytes.is_none() {
        return raw.to_vec();
    }
    let mut out = Vec::with_capacity(HEADER_BYTES_MAX);
    put_id(Id::SEGMENT, &mut out);
    out.push(0x01);
    out.extend_from_slice(&[UNKNOWN_SIZE; 7]);
    out
}
