//! An S3-compatible server with one bucket in memory, which fails as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use afflux_deliver::{BucketHome, BucketSettings, StoreSettings};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, ETAG, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

pub(crate) const BUCKET: &str = "lake";

/// What becomes of a request to write an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It is answered with this status, and nothing is written.
    Refuse(u16),
    /// The connection ends before the object is written.
    Hang,
    /// The object is written, and the connection ends without an answer.
    LoseAnswer,
}

/// The server; it ends with the runtime.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    state: Arc<Mutex<State>>,
    addr: SocketAddr,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    /// Objects, but for playlists, whose bytes were replaced by others.
    changed: Vec<String>,
    moods: VecDeque<Mood>,
    /// Of all requests, until told otherwise.
    down: Option<u16>,
    ignores_conditions: bool,
    writes: usize,
}

impl Bucket {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bucket = Self {
            state: Arc::default(),
            addr: listener.local_addr().unwrap(),
        };
        let serving = bucket.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let bucket = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| bucket.answer(request));
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        bucket
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

    /// Writes over what is there, as stores do that know no conditions.
    pub(crate) fn ignore_conditions(&self) {
        self.state.lock().ignores_conditions = true;
    }

    pub(crate) fn objects(&self) -> BTreeMap<String, Bytes> {
        let state = self.state.lock();
        assert_eq!(state.changed, Vec::<String>::new(), "objects were changed");
        state.objects.clone()
    }

    /// Requests to write, whatever became of them.
    pub(crate) fn writes(&self) -> usize {
        self.state.lock().writes
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Error)?.to_bytes();
        let prefix = format!("/{BUCKET}/");
        let Some(key) = head.uri.path().strip_prefix(&prefix) else {
            return Ok(status(StatusCode::NOT_FOUND));
        };
        assert!(
            head.headers.contains_key("authorization"),
            "requests are signed"
        );
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
        assert_eq!(head.method, Method::PUT, "{key}");
        state.writes += 1;
        let mood = state.moods.pop_front();
        match mood {
            Some(Mood::Refuse(code)) => return Ok(status(StatusCode::from_u16(code).unwrap())),
            Some(Mood::Hang) => return Err(Error),
            Some(Mood::LoseAnswer) | None => {}
        }
        let conditional = head.headers.contains_key(IF_NONE_MATCH) && !state.ignores_conditions;
        if conditional && state.objects.contains_key(key) {
            return Ok(status(StatusCode::PRECONDITION_FAILED));
        }
        let before = state.objects.insert(key.to_owned(), body.clone());
        if before.is_some_and(|before| before != body) && !key.ends_with(".m3u8") {
            state.changed.push(key.to_owned());
        }
        match mood {
            None => Ok(described(&Bytes::new())),
            Some(_) => Err(Error),
        }
    }
}

/// Ends a connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends")]
struct Error;

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn described(bytes: &Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::from_static("\"etag\""));
    let date = HeaderValue::from_static("Sat, 21 Nov 2026 10:00:00 GMT");
    headers.insert(LAST_MODIFIED, date);
    if !bytes.is_empty() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    response
}
