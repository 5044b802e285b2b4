//! An S3-compatible server with one bucket in memory, which fails as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use afflux_deliver::{BucketHome, BucketSettings, StoreSettings};
use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_LENGTH, ETAG, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use parking_lot::Mutex;
use tokio::sync::Barrier;

use crate::serve::{End, serve};

pub(crate) const BUCKET: &str = "lake";
/// What the names of objects begin with by which a server finds out what this one does. They are no objects
/// that are delivered: nothing is counted of them, and no failure is for them.
const PROBES: &str = ".afflux-probe/";

/// What becomes of a request to write an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It is answered with this status, and nothing is written.
    Refuse(u16),
    /// The connection ends before the object is written.
    Hang,
    /// The object is written, and the connection ends without an answer.
    LoseAnswer,
    /// The object is written, and the connection ends in the middle of the answer.
    CutAnswer,
    /// The object is written, and the answer comes byte by byte.
    Trickle,
}

/// What it does with a write that must not replace an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conditions {
    /// It refuses it if the object is there.
    #[default]
    Honored,
    /// It writes over what is there, as stores do that know no conditions.
    Ignored,
    /// It looks, and then writes: of two at the same time it accepts both.
    Racing,
    /// It does not take it.
    Refused,
}

/// The server; it ends with the runtime.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    state: Arc<Mutex<State>>,
    addr: SocketAddr,
}

/// What answers its requests.
#[derive(Clone, Debug)]
struct Store {
    state: Arc<Mutex<State>>,
    /// Where two writes wait for each other.
    meeting: Arc<Barrier>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    /// Objects, but for playlists, whose bytes were replaced by others.
    changed: Vec<String>,
    /// Objects that a playlist named before they were there.
    promised: Vec<String>,
    moods: VecDeque<Mood>,
    /// Of all requests, until told otherwise.
    down: Option<u16>,
    conditions: Conditions,
    writes: usize,
}

impl Bucket {
    pub(crate) async fn start() -> Self {
        let (state, meeting) = (Arc::default(), Arc::new(Barrier::new(2)));
        let store = Store {
            state: Arc::clone(&state),
            meeting,
        };
        let addr = serve(move |head, body| {
            let store = store.clone();
            async move { store.answer(head, body).await }
        })
        .await;
        Self { state, addr }
    }

    /// Its URL.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How a server is told to use it.
    pub(crate) fn settings(endpoint: &str) -> BucketSettings {
        BucketSettings {
            name: BUCKET.into(),
            home: BucketHome::Store(StoreSettings {
                endpoint: endpoint.into(),
                region: "eu-central-1".into(),
                access_key_id: "AKIDEXAMPLE".into(),
                secret_access_key: "secret".into(),
            }),
        }
    }

    /// The next writes fail so, one after the other.
    pub(crate) fn fail(&self, moods: impl IntoIterator<Item = Mood>) {
        self.state.lock().moods.extend(moods);
    }

    /// Every request is answered with this status, or no longer.
    pub(crate) fn set_down(&self, status: Option<u16>) {
        self.state.lock().down = status;
    }

    pub(crate) fn set_conditions(&self, conditions: Conditions) {
        self.state.lock().conditions = conditions;
    }

    pub(crate) fn objects(&self) -> BTreeMap<String, Bytes> {
        let state = self.state.lock();
        assert_eq!(state.changed, Vec::<String>::new(), "objects were changed");
        assert_eq!(state.promised, Vec::<String>::new(), "no such objects");
        let mut objects = state.objects.clone();
        objects.retain(|key, _| !key.starts_with(PROBES));
        objects
    }

    /// Waits until nothing is there, not even of a probe.
    pub(crate) async fn until_empty(&self) {
        while !self.state.lock().objects.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    /// Requests to write, whatever became of them.
    pub(crate) fn writes(&self) -> usize {
        self.state.lock().writes
    }
}

impl Store {
    /// Whether an object is there, if that decides about a write that waits for another one.
    fn look_early(&self, key: &str) -> Option<bool> {
        let state = self.state.lock();
        let races = state.conditions == Conditions::Racing && key.ends_with("-race");
        (races && state.down.is_none()).then(|| state.objects.contains_key(key))
    }

    async fn answer(&self, head: Parts, body: Bytes) -> Result<Response<Pieces>, End> {
        let prefix = format!("/{BUCKET}/");
        let Some(key) = head.uri.path().strip_prefix(&prefix) else {
            return Ok(status(StatusCode::NOT_FOUND));
        };
        assert!(
            head.headers.contains_key("authorization"),
            "requests are signed"
        );
        let is_probe = key.starts_with(PROBES);
        let conditional = head.headers.contains_key(IF_NONE_MATCH);
        let looked = conditional.then(|| self.look_early(key)).flatten();
        if looked.is_some() {
            self.meeting.wait().await;
        }
        let mut state = self.state.lock();
        if let Some(down) = state.down {
            return Ok(status(StatusCode::from_u16(down).unwrap()));
        }
        if head.method == Method::HEAD {
            return Ok(match state.objects.get(key) {
                Some(bytes) => described(bytes),
                None => status(StatusCode::NOT_FOUND),
            });
        }
        if head.method == Method::DELETE && is_probe {
            state.objects.remove(key);
            return Ok(status(StatusCode::NO_CONTENT));
        }
        assert_eq!(head.method, Method::PUT, "{key}");
        let mood = match is_probe {
            true => None,
            false => {
                state.writes += 1;
                state.moods.pop_front()
            }
        };
        match mood {
            Some(Mood::Refuse(code)) => return Ok(status(StatusCode::from_u16(code).unwrap())),
            Some(Mood::Hang) => return Err(End),
            _ => {}
        }
        if conditional && state.conditions == Conditions::Refused {
            return Ok(status(StatusCode::NOT_IMPLEMENTED));
        }
        let is_there = looked.unwrap_or_else(|| state.objects.contains_key(key));
        if conditional && is_there && state.conditions != Conditions::Ignored {
            return Ok(status(StatusCode::PRECONDITION_FAILED));
        }
        let promised = state.promised_by(key, &body);
        state.promised.extend(promised);
        let before = state.objects.insert(key.to_owned(), body.clone());
        if before.is_some_and(|before| before != body) && !key.ends_with(".m3u8") {
            state.changed.push(key.to_owned());
        }
        let mut answer = described(&Bytes::new());
        match mood {
            None => {}
            Some(Mood::CutAnswer) => *answer.body_mut() = Pieces::new(100, true),
            Some(Mood::Trickle) => *answer.body_mut() = Pieces::new(100, false),
            Some(_) => return Err(End),
        }
        Ok(answer)
    }
}

impl State {
    /// The objects that are not there and that what is written names, if it is a playlist of its directory.
    fn promised_by(&self, key: &str, body: &Bytes) -> Vec<String> {
        let Some((directory, _)) = key.rsplit_once('/').filter(|_| key.ends_with(".m3u8")) else {
            return Vec::new();
        };
        let text = std::str::from_utf8(body).unwrap();
        let names = text.lines().filter(|line| !line.starts_with('#'));
        let keys = names.map(|name| format!("{directory}/{name}"));
        keys.filter(|key| !self.objects.contains_key(key)).collect()
    }
}

/// A body that comes byte by byte.
#[derive(Debug, Default)]
struct Pieces {
    left: usize,
    /// Whether the connection ends before the last one.
    is_cut: bool,
}

impl Pieces {
    fn new(len: usize, is_cut: bool) -> Self {
        Self { left: len, is_cut }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = End;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, End>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        if self.is_cut && self.left == 0 {
            return Poll::Ready(Some(Err(End)));
        }
        // Each piece is flushed before the next one is asked for.
        context.waker().wake_by_ref();
        match self.left % 2 {
            0 => Poll::Pending,
            _ => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" "))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
}

fn status(status: StatusCode) -> Response<Pieces> {
    let mut response = Response::new(Pieces::default());
    *response.status_mut() = status;
    response
}

fn described(bytes: &Bytes) -> Response<Pieces> {
    let mut response = Response::new(Pieces::default());
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::from_static("\"etag\""));
    let date = HeaderValue::from_static("Sat, 21 Nov 2026 10:00:00 GMT");
    headers.insert(LAST_MODIFIED, date);
    if !bytes.is_empty() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    response
}
