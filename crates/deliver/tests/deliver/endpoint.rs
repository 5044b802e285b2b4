//! Delivery streams to an HTTP endpoint, which does not answer as it should.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use afflux_deliver::{
    AllowedEndpoint, ContentEncoding, Deliveries, DeliveryOptions, DeliverySettings,
    EndpointSettings, Endpoints, ObjectSettings, Receiver,
};
use afflux_engine::Engine;
use afflux_transform::Compression;
use afflux_types::{Clock, ErrorKind};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::Response;
use hyper::body::{Body, Frame};
use hyper::http::request::Parts;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::delivery::{directory, files, has, name, options, settings, sorted, until};
use crate::function::text;
use crate::serve::{End, serve};
use crate::support::{create_clicks, engine, fill};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Mood {
    /// It is answered with this status.
    Refuse(u16),
    /// It is taken, and the answer names another one.
    Mistake,
    /// It is taken, and the answer has no length.
    Stream,
    /// It is taken, and the answer has more than it may have.
    TooMuch,
    /// There is never an answer.
    Hang,
    /// The connection ends.
    End,
}

/// The endpoint; it ends with the runtime.
#[derive(Clone)]
struct Endpoint {
    state: Arc<Mutex<State>>,
    addr: SocketAddr,
}

#[derive(Default)]
struct State {
    moods: VecDeque<Mood>,
    /// Ids of requests, and what stood in those, in the order in which they came.
    requests: Vec<(String, Vec<String>)>,
    /// Records of the requests that were taken.
    taken: Vec<String>,
}

impl Endpoint {
    async fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let addr = serve(move |head, body| answer(Arc::clone(&shared), head, body)).await;
        Self { state, addr }
    }

    fn url(&self) -> String {
        format!("http://{}/take/records?all=1", self.addr)
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    head: Parts,
    body: Bytes,
) -> Result<Response<BoxBody<Bytes, Infallible>>, End> {
    let header = |name: &str| head.headers[name].to_str().unwrap();
    assert_eq!(header("x-amz-firehose-protocol-version"), "1.0");
    assert_eq!(header("x-amz-firehose-access-key"), "secret");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("content-encoding"), "gzip");
    let attributes = r#"{"commonAttributes":{"place":"here"}}"#;
    assert_eq!(header("x-amz-firehose-common-attributes"), attributes);
    let arn = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/lake";
    assert_eq!(header("x-amz-firehose-source-arn"), arn);
    let mut text_of = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&body[..]);
    decoder.read_to_string(&mut text_of).unwrap();
    let said: Value = serde_json::from_str(&text_of).unwrap();
    let id = header("x-amz-firehose-request-id").to_owned();
    assert_eq!(said["requestId"], id);
    assert!(said["timestamp"].is_u64());
    let records = said["records"].as_array().unwrap();
    let records: Vec<String> = records.iter().map(|record| text(&record["data"])).collect();
    let mood = {
        let mut state = state.lock();
        state.requests.push((id.clone(), records.clone()));
        let mood = state.moods.pop_front();
        if mood.is_none() {
            state.taken.extend(records);
        }
        mood
    };
    let whole = |body: Value| Full::new(Bytes::from(body.to_string())).boxed();
    let taken = |id: &str| json!({ "requestId": id, "timestamp": 1_789_014_240_448_u64 });
    Ok(match mood {
        None => Response::new(whole(taken(&id))),
        Some(Mood::Refuse(status)) => {
            let answer = Response::builder().status(status);
            answer.body(whole(json!({ "errorMessage": "no" }))).unwrap()
        }
        Some(Mood::Mistake) => Response::new(whole(taken("another"))),
        Some(Mood::Stream) => {
            let body = Endless(Some(taken(&id).to_string().into()));
            Response::new(body.boxed())
        }
        Some(Mood::TooMuch) => {
            let mut body = taken(&id);
            body["more"] = "x".repeat(2 << 20).into();
            Response::new(whole(body))
        }
        Some(Mood::Hang) => std::future::pending().await,
        Some(Mood::End) => return Err(End),
    })
}

/// A body whose length nobody knows before.
struct Endless(Option<Bytes>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

async fn deliveries(
    dir: &Path,
    engine: &Engine,
    endpoint: &Endpoint,
    timeout: Duration,
) -> Deliveries {
    let allowed = AllowedEndpoint {
        url: format!("http://{}/take", endpoint.addr),
        timeout,
        login: None,
    };
    let options = DeliveryOptions {
        endpoints: Endpoints::new(&[allowed]).unwrap(),
        ..options(dir)
    };
    let opened = Deliveries::open(engine.clone(), Clock::system(), options);
    opened.await.unwrap()
}

fn sent_to(endpoint: &Endpoint, dir: &Path, retry_seconds: u64) -> DeliverySettings {
    let before = settings(directory(dir));
    DeliverySettings {
        processors: Vec::new(),
        objects: ObjectSettings {
            prefix: "backup/".into(),
            error_prefix: "failed/!{firehose:error-output-type}/".into(),
            compression: Compression::None,
            ..before.objects.clone()
        },
        receiver: Some(Receiver::Http(EndpointSettings {
            access_key: "secret".into(),
            attributes: vec![("place".into(), "here".into())],
            encoding: ContentEncoding::Gzip,
            buffer_seconds: 0,
            retry_seconds,
            ..EndpointSettings::new(endpoint.url())
        })),
        ..before
    }
}

/// The lines of the error objects.
fn failed(dir: &Path) -> Vec<Value> {
    let objects = files(&dir.join("objects"));
    let texts = objects.iter().map(|(name, bytes)| {
        assert!(name.starts_with("failed/http-endpoint-failed/"), "{name}");
        String::from_utf8(bytes.to_vec()).unwrap()
    });
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_an_endpoint_takes_are_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let endpoint = Endpoint::start().await;
    create_clicks(&engine, 2).await;
    let running = deliveries(dir.path(), &engine, &endpoint, LONG).await;
    let mut settings = sent_to(&endpoint, dir.path(), 0);
    settings.backup = Some(settings.objects.clone());
    running
        .create(&name(), settings, String::new())
        .await
        .unwrap();
    let sent = fill(&engine, [0, 1], 10).await;
    let described = until(&running, has(sent.len())).await;
    running.shutdown().await;
    let state = endpoint.state.lock();
    assert_eq!(sorted(state.taken.clone()), sorted(sent.clone()));
    assert_eq!(described.status.totals.failed, 0);
    let objects = files(&dir.path().join("objects"));
    assert_eq!(described.status.totals.objects, objects.len() as u64);
    assert!(objects.keys().all(|name| name.starts_with("backup/")));
    let bytes: usize = objects.values().map(Bytes::len).sum();
    assert_eq!(bytes, sent.iter().map(String::len).sum::<usize>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_an_endpoint_does_not_take_become_error_objects() {
    for (mood, retry_seconds, code) in [
        (
            Mood::Refuse(413),
            7_200,
            "HttpEndpoint.DestinationException",
        ),
        (Mood::Refuse(500), 0, "HttpEndpoint.DestinationException"),
        (Mood::Refuse(204), 0, "HttpEndpoint.DestinationException"),
        (Mood::Refuse(302), 0, "HttpEndpoint.DestinationException"),
        (
            Mood::Mistake,
            0,
            "HttpEndpoint.InvalidResponseFromDestination",
        ),
        (
            Mood::Stream,
            0,
            "HttpEndpoint.InvalidResponseFromDestination",
        ),
        (Mood::TooMuch, 0, "HttpEndpoint.ResponseTooLarge"),
        (Mood::Hang, 0, "HttpEndpoint.RequestTimeout"),
        (Mood::End, 0, "HttpEndpoint.ConnectionReset"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(dir.path());
        let endpoint = Endpoint::start().await;
        create_clicks(&engine, 1).await;
        let lost = fill(&engine, [0], 1).await;
        endpoint.state.lock().moods.push_back(mood);
        let running = deliveries(dir.path(), &engine, &endpoint, SHORT).await;
        let settings = sent_to(&endpoint, dir.path(), retry_seconds);
        running
            .create(&name(), settings, String::new())
            .await
            .unwrap();
        until(&running, has(lost.len())).await;
        let sent = fill(&engine, [0], 1).await;
        let described = until(&running, has(lost.len() + sent.len())).await;
        running.shutdown().await;
        let failed = failed(dir.path());
        for line in &failed {
            assert_eq!(line["errorCode"], code, "{mood:?}");
            assert_eq!(line["attemptsMade"], 1, "{mood:?}");
            assert!(line["arrivalTimestamp"].as_i64().unwrap() > 1_700_000_000_000);
        }
        let raw = failed.iter().map(|line| text(&line["rawData"]));
        assert_eq!(sorted(raw.collect()), sorted(lost), "{mood:?}");
        assert_eq!(described.status.totals.failed, 3, "{mood:?}");
        assert_eq!(described.status.totals.objects, 1, "{mood:?}");
        assert_eq!(
            sorted(endpoint.state.lock().taken.clone()),
            sorted(sent),
            "{mood:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_the_same_until_it_is_taken_also_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = engine(dir.path());
    let endpoint = Endpoint::start().await;
    create_clicks(&first, 1).await;
    let sent = fill(&first, [0], 1).await;
    let moods = [Mood::Refuse(503), Mood::End, Mood::Refuse(429)];
    endpoint.state.lock().moods.extend(moods);
    let running = deliveries(dir.path(), &first, &endpoint, LONG).await;
    running
        .create(
            &name(),
            sent_to(&endpoint, dir.path(), 7_200),
            String::new(),
        )
        .await
        .unwrap();
    let failing = until(&running, |described| described.status.last_error.is_some()).await;
    let error = failing.status.last_error.unwrap();
    assert!(
        error.contains("503") && error.contains("/take/records"),
        "{error}"
    );
    running.shutdown().await;
    first.shutdown().await.unwrap();

    let second = engine(dir.path());
    let running = deliveries(dir.path(), &second, &endpoint, LONG).await;
    until(&running, has(sent.len())).await;
    running.shutdown().await;
    let state = endpoint.state.lock();
    assert_eq!(sorted(state.taken.clone()), sorted(sent));
    let [one, rest @ ..] = &state.requests[..] else {
        panic!("nothing was sent")
    };
    assert_eq!(rest.len(), 3);
    assert!(
        rest.iter().all(|request| request == one),
        "{:?}",
        state.requests
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_are_not_allowed_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let endpoint = Endpoint::start().await;
    create_clicks(&engine, 1).await;
    let running = deliveries(dir.path(), &engine, &endpoint, LONG).await;
    for (url, kind) in [
        ("http://127.0.0.1:1/take", ErrorKind::NotFound),
        (
            &*endpoint.url().replace("take", "keep"),
            ErrorKind::NotFound,
        ),
        (
            &*endpoint.url().replace("/take", "/take/../keep"),
            ErrorKind::NotFound,
        ),
        ("file:///etc/passwd", ErrorKind::Invalid),
        ("nonsense", ErrorKind::Invalid),
    ] {
        let mut settings = sent_to(&endpoint, dir.path(), 0);
        let receiver = EndpointSettings::new(url.to_owned());
        settings.receiver = Some(Receiver::Http(receiver));
        let refused = running.create(&name(), settings, String::new()).await;
        assert_eq!(refused.unwrap_err().kind(), kind, "{url}");
    }
    let mut settings = sent_to(&endpoint, dir.path(), 0);
    settings.partitioned = true;
    settings.objects.prefix = "!{partitionKeyFromQuery:a}/".into();
    let refused = running.create(&name(), settings, String::new()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
}
