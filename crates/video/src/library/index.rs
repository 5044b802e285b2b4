//! What is known of a video stream's log without reading it again.
//!
//! Fragments in a row are summed up in blocks: which positions, and which time they span on the
//! producer's axis, which unlike the server's need not be in order. The index is built by reading
//! headers, some hundred bytes of each fragment, once, and goes on where it stopped.

use std::collections::{BTreeMap, VecDeque};

use afflux_entry::Kind;
use afflux_media::{InitId, StoredFragment, layout};
use afflux_types::{Position, Result};

use super::entries::Entry;
use super::selector::{Selector, Span, TimeAxis};

/// Fragments in a block: nine minutes of two-second fragments. A day takes 170 blocks, some 10 KB,
/// and a search reads at most this many headers too many.
const BLOCK_FRAGMENTS: u64 = 256;
/// Places that are remembered for one initialisation: the newest survive retention longest.
const INIT_PLACES_MAX: usize = 64;
/// Initialisations that are remembered; beyond that the longest unseen is forgotten.
const INITS_MAX: usize = 4_096;

/// The blocks of one stream, and where its initialisations stand.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Everything before is in the index.
    scanned: Position,
    blocks: VecDeque<Block>,
    /// For each initialisation, the positions of the fragments that follow it.
    inits: BTreeMap<InitId, VecDeque<Position>>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    first: Position,
    end: Position,
    producer: Span,
}

impl Index {
    /// Where to go on reading.
    pub(super) fn scanned(&self) -> Position {
        self.scanned
    }

    /// Takes an entry into account. Entries come in the order of the log.
    pub(super) fn note(&mut self, entry: &Entry) -> Result<()> {
        let Some(stamp) = entry.header.stamp else {
            return Ok(());
        };
        match entry.header.kind {
            Kind::Init => {
                if let Some(id) = init_id(&entry.body()) {
                    self.note_init(id, stamp.position);
                }
            }
            Kind::Fragment if stamp.position >= self.scanned => {
                let meta = StoredFragment::peek(&entry.body())?;
                let span = Span::of(TimeAxis::Producer, &meta, stamp.arrival);
                self.note_span(stamp.position, span);
            }
            _ => {}
        }
        self.scanned = self.scanned.max(entry.header.end());
        Ok(())
    }

    fn note_span(&mut self, position: Position, span: Span) {
        let end = position.advance(1);
        match self.blocks.back_mut() {
            Some(block) if position.get() - block.first.get() < BLOCK_FRAGMENTS => {
                block.end = end;
                block.producer = block.producer.union(span);
            }
            _ => self.blocks.push_back(Block {
                first: position,
                end,
                producer: span,
            }),
        }
    }

    fn note_init(&mut self, id: InitId, position: Position) {
        if !self.inits.contains_key(&id) && self.inits.len() >= INITS_MAX {
            let oldest = self
                .inits
                .iter()
                .min_by_key(|(_, places)| places.back().copied());
            if let Some((&oldest, _)) = oldest {
                self.inits.remove(&oldest);
            }
        }
        let places = self.inits.entry(id).or_default();
        if places.back() != Some(&position) {
            places.push_back(position);
        }
        if places.len() > INIT_PLACES_MAX {
            places.pop_front();
        }
    }

    /// Forgets what retention has deleted.
    pub(super) fn trim(&mut self, horizon: Position) {
        while self
            .blocks
            .front()
            .is_some_and(|block| block.end <= horizon)
        {
            self.blocks.pop_front();
        }
        self.inits.retain(|_, places| {
            while places.front().is_some_and(|place| *place < horizon) {
                places.pop_front();
            }
            !places.is_empty()
        });
        self.scanned = self.scanned.max(horizon);
    }

    /// The runs of positions, from `from` on, that may hold fragments which `selector` takes on the
    /// producer's axis. Runs that touch are one.
    pub(super) fn candidates(
        &self,
        selector: &Selector,
        from: Position,
    ) -> VecDeque<(Position, Position)> {
        let mut runs: VecDeque<(Position, Position)> = VecDeque::new();
        let blocks = self.blocks.iter().filter(|block| block.end > from);
        for block in blocks.filter(|block| selector.may_take(block.producer)) {
            let first = block.first.max(from);
            match runs.back_mut() {
                Some((_, end)) if *end == first => *end = block.end,
                _ => runs.push_back((first, block.end)),
            }
        }
        runs
    }

    /// Where an initialisation stands, the newest place first.
    pub(super) fn places(&self, id: InitId) -> Vec<Position> {
        self.inits
            .get(&id)
            .into_iter()
            .flatten()
            .rev()
            .copied()
            .collect()
    }
}

/// The id in the body of a stored initialisation.
pub(super) fn init_id(body: &[u8]) -> Option<InitId> {
    let (id, _) = body.get(layout::init::ID..)?.split_first_chunk()?;
    Some(InitId::new(u64::from_le_bytes(*id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: i64) -> Span {
        Span {
            start,
            end: start + 2,
        }
    }

    fn selector(from: i64, to: i64) -> Selector {
        Selector {
            axis: TimeAxis::Producer,
            from,
            to,
            cover_start: false,
        }
    }

    /// Fragments at positions from zero on, each with its start.
    fn index(starts: impl IntoIterator<Item = i64>) -> Index {
        let mut index = Index::default();
        for (position, start) in (0..).zip(starts) {
            index.note_span(Position::new(position), span(start));
        }
        index
    }

    fn runs(index: &Index, selector: &Selector, from: u64) -> Vec<(u64, u64)> {
        let runs = index.candidates(selector, Position::new(from));
        runs.iter()
            .map(|(first, end)| (first.get(), end.get()))
            .collect()
    }

    #[test]
    fn only_blocks_that_may_hold_the_time_are_read() {
        let index = index(0..1_000);
        assert_eq!(runs(&index, &selector(300, 301), 0), [(256, 512)]);
        assert_eq!(runs(&index, &selector(500, 600), 0), [(256, 768)]);
        assert_eq!(runs(&index, &selector(500, 600), 600), [(600, 768)]);
        assert!(runs(&index, &selector(5_000, 6_000), 0).is_empty());
    }

    #[test]
    fn a_camera_whose_clock_jumps_back_is_found_in_both_places() {
        let index = index((0..256).chain(1_000..1_256).chain(100..356));
        assert_eq!(runs(&index, &selector(120, 121), 0), [(0, 256), (512, 768)]);
    }

    #[test]
    fn what_retention_deleted_is_forgotten() {
        let mut index = index(0..1_000);
        index.note_init(InitId::new(1), Position::new(3));
        index.note_init(InitId::new(1), Position::new(700));
        index.note_init(InitId::new(2), Position::new(5));
        index.trim(Position::new(512));
        assert_eq!(runs(&index, &selector(0, 1_000), 0), [(512, 1_000)]);
        assert_eq!(index.places(InitId::new(1)), [Position::new(700)]);
        assert!(index.places(InitId::new(2)).is_empty());
    }

    #[test]
    fn initialisations_are_bounded_and_the_longest_unseen_goes_first() {
        let mut index = Index::default();
        for id in 0..=INITS_MAX {
            let id = u64::try_from(id).unwrap();
            index.note_init(InitId::new(id), Position::new(id));
        }
        assert_eq!(index.inits.len(), INITS_MAX);
        assert!(index.places(InitId::new(0)).is_empty());
        for position in 0..1_000 {
            index.note_init(InitId::new(9), Position::new(10_000 + position));
        }
        let places = index.places(InitId::new(9));
        assert_eq!(places.len(), INIT_PLACES_MAX);
        assert_eq!(places[0], Position::new(10_999));
    }
}
