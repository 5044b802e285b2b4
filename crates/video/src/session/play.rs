//! What the server keeps of a session while it is played: its line of segments, as far as it was read.
//!
//! All of it follows from the ticket and the log, so a session that was forgotten, by a restart or
//! because there are too many, goes on where it was. Numbers differ then only where retention has
//! deleted fragments that the session had left out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use afflux_aws::video::{Code, Error};
use afflux_engine::Shard;
use afflux_entry::{Kind, Stamp};
use afflux_media::{Init, InitId, Limits, Meta, StoredFragment};
use afflux_types::{Position, ServerTime};

use super::dash::First;
use super::layout::Layout;
use super::line::{Candidate, Line, Segment};
use super::ticket::{Mode, Ticket};
use crate::context::service_error;
use crate::library::{Found, Recording, Selector, TimeAxis, entries};

/// Changes of codecs in one session, as in the service.
pub(super) const INITS_MAX: usize = 500;
/// Initialisations whose names are remembered: reconnects of a camera bring new ones that are alike.
const NAMES_MAX: usize = 4_096;
/// Segments before the playlist that players may still ask for: those of three playlists before.
const HISTORY: usize = 3;
/// Segments of a replay that are looked for beyond those that are shown.
const AHEAD: usize = 16;
/// Bytes that are read beside a fragment's body: headers, and an initialisation in front.
const SLACK_BYTES: usize = 2 << 20;

/// A session that is being played.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) ticket: Ticket,
    shard: Shard,
    recording: Arc<Recording>,
    lined: tokio::sync::Mutex<Lined>,
}

/// The line of a session, as far as it was read.
#[derive(Debug)]
pub(super) struct Lined {
    line: Line,
    /// Everything before was read.
    next: Position,
    segments: VecDeque<Segment>,
    /// The initialisations in the order of their first use; those that differ for players.
    pub(super) layouts: Vec<Arc<Layout>>,
    /// Which of them a stored initialisation is.
    names: BTreeMap<InitId, u32>,
    alike: BTreeMap<InitId, u32>,
    /// What plays when a replay begins.
    head_ns: i64,
    /// The first segment of all.
    pub(super) first: Option<First>,
    /// Nothing more comes.
    is_complete: bool,
    /// Why the session cannot go on.
    failure: Option<Error>,
    /// For each track, the longest segment so far in whole seconds; track 0 also stands for all.
    pub(super) longest_s: Vec<u64>,
}

/// What a playlist shows.
#[derive(Debug)]
pub(super) struct Window<'a> {
    pub(super) segments: Vec<&'a Segment>,
    pub(super) ended: bool,
}

impl Play {
    pub(super) fn new(ticket: Ticket, shard: Shard, recording: Arc<Recording>) -> Self {
        let horizon = shard.watermarks().trim_horizon;
        let next = ticket.anchor.max(horizon);
        // What was deleted had numbers too, as far as can be known.
        let gone = match ticket.mode {
            Mode::OnDemand => 0,
            Mode::Live | Mode::Replay => next.get() - ticket.anchor.get(),
        };
        Self {
            lined: tokio::sync::Mutex::new(Lined {
                line: Line::new(&ticket, gone),
                next,
                segments: VecDeque::new(),
                layouts: Vec::new(),
                names: BTreeMap::new(),
                alike: BTreeMap::new(),
                head_ns: 0,
                first: None,
                is_complete: false,
                failure: None,
                longest_s: Vec::new(),
            }),
            ticket,
            shard,
            recording,
        }
    }

    /// The line, read as far as it can be at `now`.
    ///
    /// # Errors
    /// As the log says, and if what follows cannot be played.
    pub(super) async fn lined(
        &self,
        now: ServerTime,
    ) -> Result<tokio::sync::MutexGuard<'_, Lined>, Error> {
        let mut lined = self.lined.lock().await;
        if !lined.is_complete && lined.failure.is_none() {
            let read = match self.ticket.mode {
                Mode::OnDemand => self.collect(&mut lined).await,
                Mode::Live | Mode::Replay => self.go_on(&mut lined, now).await,
            };
            read?;
        }
        Ok(lined)
    }

    /// Waits until there may be a segment that there was not at the last look.
    pub(super) async fn wait(&self) -> Result<(), Error> {
        let next = self.lined.lock().await.next;
        let waited = self.shard.wait_durable(next.advance(1)).await;
        waited.map_err(|error| service_error(&error))
    }

    /// The stored fragment of a segment.
    pub(super) async fn fragment(&self, segment: &Segment) -> Result<StoredFragment, Error> {
        let gone = || {
            Error::new(
                Code::ResourceNotFound,
                format!("Fragment {} is not kept any more.", segment.number),
            )
        };
        if segment.position < self.shard.watermarks().trim_horizon {
            return Err(gone());
        }
        let bytes = usize::try_from(segment.bytes).unwrap_or(usize::MAX);
        let mut position = segment.position;
        loop {
            let slice = self
                .shard
                .read(position, bytes.saturating_add(SLACK_BYTES))
                .await
                .map_err(|error| service_error(&error))?;
            let end = slice.end;
            if slice.is_empty() {
                return Err(gone());
            }
            for entry in entries(slice.bytes) {
                let entry = entry.map_err(|error| service_error(&error))?;
                let stamp = entry.header.stamp.map(|stamp| stamp.position);
                if entry.header.kind == Kind::Fragment && stamp == Some(segment.position) {
                    return StoredFragment::decode(entry.body())
                        .map_err(|error| service_error(&error.into()));
                }
            }
            if end <= position {
                return Err(gone());
            }
            position = end;
        }
    }

    /// An initialisation of the session.
    pub(super) async fn init(&self, layout: &Layout) -> Result<Init, Error> {
        self.load(layout.id, layout.position).await
    }

    async fn load(&self, id: InitId, position: Position) -> Result<Init, Error> {
        let body = self
            .recording
            .init(&self.shard, id, position)
            .await
            .map_err(|error| service_error(&error))?
            .ok_or_else(|| {
                Error::new(
                    Code::MissingCodecPrivateData,
                    "The codec initialisation of the media is not kept any more.",
                )
            })?;
        Init::decode(&body, &Limits::default()).map_err(|error| service_error(&error.into()))
    }

    /// Reads on in the order of the log.
    async fn go_on(&self, lined: &mut Lined, now: ServerTime) -> Result<(), Error> {
        let ticket = &self.ticket;
        let durable = self.shard.watermarks().durable;
        if lined.next >= durable {
            lined.is_complete = ticket.mode == Mode::Replay && now.as_millis() >= ticket.to;
            return Ok(());
        }
        let mut search = self
            .recording
            .search(&self.shard, Selector::ALL, lined.next)
            .await
            .map_err(|error| service_error(&error))?;
        while lined.failure.is_none() && !lined.is_complete && !lined.is_ahead(ticket, now) {
            let found = search.next().await.map_err(|error| service_error(&error))?;
            let Some(found) = found else {
                // Everything durable was read, or deleted; a range that is over brings nothing more.
                lined.next = lined.next.max(durable);
                lined.is_complete = ticket.mode == Mode::Replay && now.as_millis() >= ticket.to;
                return Ok(());
            };
            let Some(stamp) = found.entry.header.stamp else {
                continue;
            };
            let axis_ms = axis_ms(ticket.axis, &found.meta, stamp.arrival);
            if axis_ms >= ticket.from && axis_ms < ticket.to {
                self.push(lined, stamp, &found.meta).await?;
            } else if axis_ms >= ticket.to && ticket.axis == TimeAxis::Server {
                lined.is_complete = true;
            }
            lined.next = stamp.position.advance(1);
        }
        Ok(())
    }

    /// Collects the fragments of a range in the order of their times.
    async fn collect(&self, lined: &mut Lined) -> Result<(), Error> {
        let ticket = &self.ticket;
        let selector = Selector {
            axis: ticket.axis,
            from: ticket.from,
            to: ticket.to,
            cover_start: false,
        };
        let mut search = self
            .recording
            .search(&self.shard, selector, ticket.anchor)
            .await
            .map_err(|error| service_error(&error))?;
        let limit = usize::try_from(ticket.limit).unwrap_or(usize::MAX);
        // Of two fragments at one time the newer counts; sound that comes apart is another fragment.
        let mut chosen: BTreeMap<(i64, Position, bool), (Stamp, Meta)> = BTreeMap::new();
        while let Some(found) = search.next().await.map_err(|error| service_error(&error))? {
            let Found { entry, meta } = found;
            let Some(stamp) = entry.header.stamp else {
                continue;
            };
            if stamp.position >= ticket.until {
                break;
            }
            let sorted_by = match ticket.axis {
                TimeAxis::Server => stamp.position,
                TimeAxis::Producer => Position::ZERO,
            };
            let axis_ms = axis_ms(ticket.axis, &meta, stamp.arrival);
            let key = (axis_ms, sorted_by, meta.flags.is_audio_only());
            chosen.insert(key, (stamp, meta));
            if chosen.len() > limit {
                chosen.pop_last();
                if ticket.axis == TimeAxis::Server {
                    break;
                }
            }
        }
        for (stamp, meta) in chosen.into_values() {
            self.push(lined, stamp, &meta).await?;
        }
        lined.is_complete = true;
        Ok(())
    }

    async fn push(
        &self,
        lined: &mut Lined,
        Stamp {
            position, arrival, ..
        }: Stamp,
        meta: &Meta,
    ) -> Result<(), Error> {
        let init = match lined.names.get(&meta.init_id) {
            Some(init) => *init,
            None => match self.add_init(lined, meta.init_id, position).await {
                Ok(init) => init,
                Err(error) => {
                    // What came before can still be played.
                    lined.failure = Some(error);
                    return Ok(());
                }
            },
        };
        let layout = lined.layout(init)?;
        let candidate = Candidate {
            position,
            arrival,
            axis_ms: axis_ms(self.ticket.axis, meta, arrival),
            meta,
            init,
            layout: &layout,
        };
        if let Some(segment) = lined.line.push(candidate) {
            lined.add(segment, &self.ticket);
        }
        Ok(())
    }

    /// The session's number of an initialisation that was not met before.
    async fn add_init(
        &self,
        lined: &mut Lined,
        id: InitId,
        position: Position,
    ) -> Result<u32, Error> {
        let init = self.load(id, position).await?;
        let alike = lined.alike.get(&init.media_id()).copied();
        let number = match alike {
            Some(number) => number,
            None => {
                let layout = Layout::of(&init, position, &self.ticket)?;
                lined.add_layout(layout, init.media_id())?
            }
        };
        if lined.names.len() >= NAMES_MAX {
            lined.names.clear();
        }
        lined.names.insert(id, number);
        Ok(number)
    }
}

impl Lined {
    pub(super) fn layout(&self, init: u32) -> Result<Arc<Layout>, Error> {
        let index = usize::try_from(init).unwrap_or(usize::MAX);
        let found = self.layouts.get(index).map(Arc::clone);
        found.ok_or_else(|| {
            Error::new(
                Code::ResourceNotFound,
                format!("The session has no codec initialisation {init}."),
            )
        })
    }

    fn add_layout(&mut self, layout: Layout, alike: InitId) -> Result<u32, Error> {
        if let Some(first) = self.layouts.first()
            && !first.resembles(&layout)
        {
            return Err(Error::new(
                Code::InvalidCodecPrivateData,
                format!(
                    "The media has {} tracks and had {} when the session began; begin another one.",
                    layout.tracks.len(),
                    first.tracks.len()
                ),
            ));
        }
        if self.layouts.len() > INITS_MAX {
            return Err(Error::new(
                Code::InvalidCodecPrivateData,
                format!("The codecs changed more than {INITS_MAX} times in the session."),
            ));
        }
        let number = u32::try_from(self.layouts.len()).unwrap_or(u32::MAX);
        self.layouts.push(Arc::new(layout));
        self.alike.insert(alike, number);
        Ok(number)
    }

    fn add(&mut self, segment: Segment, ticket: &Ticket) {
        if segment.number < u64::from(ticket.limit) {
            self.head_ns = segment.played_ns;
        }
        for span in &segment.tracks {
            if self.longest_s.len() <= span.track {
                self.longest_s.resize(span.track + 1, 1);
            }
            let timescale = u64::from(span.timescale.max(1));
            // Rounded as the durations in a playlist are compared: half up.
            let seconds = (span.duration.saturating_mul(2) + timescale) / (2 * timescale);
            if let Some(longest) = self.longest_s.get_mut(span.track) {
                *longest = (*longest).max(seconds);
            }
        }
        self.first.get_or_insert_with(|| First::of(&segment));
        self.segments.push_back(segment);
        while self.segments.len() > segments_max(ticket) {
            self.segments.pop_front();
        }
    }

    /// Whether a replay was read further than players need.
    fn is_ahead(&self, ticket: &Ticket, now: ServerTime) -> bool {
        ticket.mode == Mode::Replay
            && self
                .segments
                .len()
                .checked_sub(AHEAD)
                .and_then(|index| self.segments.get(index))
                .is_some_and(|segment| !self.is_shown(segment, ticket, now))
    }

    /// Whether a replay shows a segment yet: the first few at once, then each when those before have
    /// played.
    fn is_shown(&self, segment: &Segment, ticket: &Ticket, now: ServerTime) -> bool {
        let elapsed = now.since(ticket.created).as_nanos();
        let shown_ns = i64::try_from(elapsed).unwrap_or(i64::MAX);
        segment.number < u64::from(ticket.limit)
            || segment.played_ns <= self.head_ns.saturating_add(shown_ns)
    }

    /// What a playlist of a track shows at `now`; of all tracks if none is given.
    ///
    /// # Errors
    /// Why the session cannot go on, once everything before was shown.
    pub(super) fn window(
        &self,
        track: Option<usize>,
        ticket: &Ticket,
        now: ServerTime,
    ) -> Result<Window<'_>, Error> {
        if let Some(failure) = &self.failure
            && (ticket.mode != Mode::OnDemand || self.segments.is_empty())
        {
            return Err(failure.clone());
        }
        let shown = self
            .segments
            .iter()
            .filter(|segment| track.is_none_or(|track| segment.span(track).is_some()));
        let mut segments: Vec<&Segment> = match ticket.mode {
            Mode::Live | Mode::OnDemand => shown.collect(),
            Mode::Replay => shown
                .take_while(|segment| self.is_shown(segment, ticket, now))
                .collect(),
        };
        let is_all = segments.last().map(|last| last.number)
            == self.segments.back().map(|last| last.number)
            || ticket.mode != Mode::Replay;
        if ticket.mode != Mode::OnDemand {
            let limit = usize::try_from(ticket.limit).unwrap_or(usize::MAX);
            segments.drain(..segments.len().saturating_sub(limit));
        }
        Ok(Window {
            segments,
            ended: self.is_complete && is_all,
        })
    }

    /// The time on the axis that a session without pause begins at, in milliseconds.
    pub(super) fn origin_ms(&self, ticket: &Ticket) -> i64 {
        match (ticket.mode, self.segments.front()) {
            (Mode::OnDemand, Some(first)) => first.axis_ms,
            _ => ticket.origin,
        }
    }

    /// The segment of a track, or of all, with a number.
    pub(super) fn segment(&self, track: Option<usize>, number: u64) -> Option<&Segment> {
        self.segments.iter().find(|segment| match track {
            None => segment.number == number,
            Some(track) => segment
                .span(track)
                .is_some_and(|span| span.number == number),
        })
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.is_complete || self.failure.is_some()
    }

    /// The newest number of a track.
    pub(super) fn newest(&self, track: usize) -> Option<u64> {
        let mut newest = self.segments.iter().rev();
        newest.find_map(|segment| segment.span(track).map(|span| span.number))
    }
}

/// Segments of a session that are kept at most.
pub(super) fn segments_max(ticket: &Ticket) -> usize {
    let limit = usize::try_from(ticket.limit).unwrap_or(usize::MAX);
    match ticket.mode {
        Mode::OnDemand => limit,
        Mode::Live | Mode::Replay => limit.saturating_mul(1 + HISTORY).saturating_add(2 * AHEAD),
    }
}

/// When a fragment starts on an axis.
pub(super) fn axis_ms(axis: TimeAxis, meta: &Meta, arrival: ServerTime) -> i64 {
    match axis {
        TimeAxis::Server => arrival.as_millis(),
        TimeAxis::Producer => meta.producer_time.as_millis(),
    }
}
