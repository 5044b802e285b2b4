//! Delivery streams to a cluster, which does not always take documents as it should.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use afflux_deliver::{
    AllowedEndpoint, ClusterSettings, Deliveries, DeliveryOptions, DeliverySettings, Endpoints,
    Login, ObjectSettings, Receiver,
};
use afflux_engine::Engine;
use afflux_transform::{Compression, IndexSettings, Rotation};
use afflux_types::{Clock, ErrorKind, ShardId};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::Response;
use hyper::body::{Body, Frame};
use hyper::http::request::Parts;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::delivery::{directory, files, has, name, options, settings, until};
use crate::function::text;
use crate::serve::{End, serve};
use crate::support::{append, clicks, create_clicks, engine};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);
/// `elastic:secret`.
const LOGIN: &str = "Basic ZWxhc3RpYzpzZWNyZXQ=";

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Mood {
    /// It is answered with this status.
    Refuse(u16),
    /// It is answered with this.
    Say(&'static str),
    /// Every second document is taken, and there is no room for the others.
    TakeHalf,
    /// It is taken, and the answer says nothing of the last document.
    Miscount,
    /// It is taken, and the answer has more than it may have.
    TooMuch,
    /// It is taken, and the connection ends.
    LoseAnswer,
    /// It is taken, and the connection ends within the answer.
    CutAnswer,
    /// The connection ends.
    End,
    /// There is never an answer.
    Hang,
}

/// The cluster; it ends with the runtime.
#[derive(Clone)]
struct Cluster {
    state: Arc<Mutex<State>>,
    addr: SocketAddr,
}

#[derive(Default)]
struct State {
    moods: VecDeque<Mood>,
    /// Bytes of a body, at most.
    bytes_max: Option<usize>,
    /// By index and id.
    documents: BTreeMap<(String, String), Value>,
    /// Ids of the documents of each request that was understood, in the order in which they came.
    requests: Vec<Vec<String>>,
}

impl Cluster {
    async fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let addr = serve(move |head, body| answer(Arc::clone(&shared), head, body)).await;
        Self { state, addr }
    }

    fn expect(&self, moods: impl IntoIterator<Item = Mood>) {
        self.state.lock().moods.extend(moods);
    }

    /// What is in all indices, sorted.
    fn documents(&self) -> Vec<Value> {
        let state = self.state.lock();
        let mut documents: Vec<Value> = state.documents.values().cloned().collect();
        documents.sort_by_key(Value::to_string);
        documents
    }

    fn requests(&self) -> Vec<Vec<String>> {
        self.state.lock().requests.clone()
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    head: Parts,
    body: Bytes,
) -> Result<Response<BoxBody<Bytes, End>>, End> {
    assert_eq!(head.method, hyper::Method::POST);
    assert_eq!(head.uri.path(), "/search/_bulk");
    assert_eq!(head.headers["content-type"], "application/x-ndjson");
    assert_eq!(head.headers["authorization"], LOGIN);
    let whole = |text: String| {
        let body = Full::new(Bytes::from(text));
        body.map_err(|never| match never {}).boxed()
    };
    let refuse = |status: u16| {
        let answer = Response::builder().status(status);
        Ok(answer.body(whole("no".into())).unwrap())
    };
    let (said, mood) = {
        let mut state = state.lock();
        if state.bytes_max.is_some_and(|most| body.len() > most) {
            return refuse(413);
        }
        let mood = state.moods.pop_front();
        match mood {
            Some(Mood::Refuse(status)) => return refuse(status),
            Some(Mood::Say(text)) => return Ok(Response::new(whole(text.into()))),
            Some(Mood::End) => return Err(End),
            _ => (state.index(&body, mood), mood),
        }
    };
    match mood {
        Some(Mood::LoseAnswer) => Err(End),
        Some(Mood::CutAnswer) => {
            let body = Cut(Some(Bytes::from(said.to_string()).slice(..20)));
            Ok(Response::new(body.boxed()))
        }
        Some(Mood::Hang) => std::future::pending().await,
        _ => Ok(Response::new(whole(said.to_string()))),
    }
}

/// A body that ends in its middle.
struct Cut(Option<Bytes>);

impl Body for Cut {
    type Data = Bytes;
    type Error = End;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, End>>> {
        Poll::Ready(Some(self.0.take().map(Frame::data).ok_or(End)))
    }
}

impl State {
    /// Takes what the mood leaves of a body; gives the answer.
    fn index(&mut self, body: &Bytes, mood: Option<Mood>) -> Value {
        let text = std::str::from_utf8(body).unwrap();
        let lines: Vec<Value> = text
            .split_terminator('\n')
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let (mut ids, mut items) = (Vec::new(), Vec::new());
        for (number, lines) in lines.chunks(2).enumerate() {
            let (action, document) = (&lines[0], &lines[1]);
            let said = |name: &str| action["index"][name].as_str().unwrap().to_owned();
            let (index, id) = (said("_index"), said("_id"));
            ids.push(id.clone());
            let is_number = document["n"].is_number();
            let status = match mood {
                Some(Mood::TakeHalf) if number % 2 == 1 => 429,
                _ if !is_number => 400,
                _ => 201,
            };
            if status == 201 {
                self.documents.insert((index, id), document.clone());
            }
            items.push(json!({ "index": { "status": status, "error": match status {
                400 => json!({ "type": "mapper_parsing_exception", "reason": "failed to parse field [n]" }),
                429 => json!({ "type": "rejected_execution_exception", "reason": "full" }),
                _ => Value::Null,
            } } }));
        }
        self.requests.push(ids);
        let errors = items.iter().any(|item| item["index"]["status"] != 201);
        match mood {
            Some(Mood::Miscount) => drop(items.pop()),
            Some(Mood::TooMuch) => items.push("x".repeat(17 << 20).into()),
            _ => {}
        }
        json!({ "took": 1, "errors": errors, "items": items })
    }
}

async fn deliveries(
    dir: &Path,
    engine: &Engine,
    cluster: &Cluster,
    timeout: Duration,
) -> Deliveries {
    let allowed = AllowedEndpoint {
        url: format!("http://{}/search", cluster.addr),
        timeout,
        login: Some(Login {
            username: "elastic".into(),
            password: "secret".into(),
        }),
    };
    let options = DeliveryOptions {
        endpoints: Endpoints::new(&[allowed]).unwrap(),
        ..options(dir)
    };
    let opened = Deliveries::open(engine.clone(), Clock::system(), options);
    opened.await.unwrap()
}

fn sent_to(cluster: &Cluster, dir: &Path, retry_seconds: u64) -> DeliverySettings {
    let before = settings(directory(dir));
    let url = format!("http://{}/search", cluster.addr);
    let index = IndexSettings {
        rotation: Rotation::Month,
        ..IndexSettings::new("clicks".into())
    };
    DeliverySettings {
        objects: ObjectSettings {
            prefix: "backup/".into(),
            error_prefix: "failed/!{firehose:error-output-type}/".into(),
            compression: Compression::None,
            ..before.objects.clone()
        },
        receiver: Some(Receiver::OpenSearch(ClusterSettings {
            buffer_seconds: 0,
            retry_seconds,
            ..ClusterSettings::new(url, index)
        })),
        ..before
    }
}

/// Puts documents, and gives them sorted as the cluster's are.
async fn put(engine: &Engine, shards: impl IntoIterator<Item = u32>, count: usize) -> Vec<Value> {
    let mut sent = Vec::new();
    for id in shards {
        let shard = engine.shard(&clicks(), ShardId::new(id)).await.unwrap();
        let documents = (0..count).map(|n| json!({ "n": n, "shard": id }));
        let documents: Vec<Value> = documents.collect();
        let payloads: Vec<String> = documents.iter().map(Value::to_string).collect();
        append(&shard, &payloads).await;
        sent.extend(documents);
    }
    sent.sort_by_key(Value::to_string);
    sent
}

async fn create(deliveries: &Deliveries, settings: DeliverySettings) {
    let name = name();
    let created = deliveries.create(&name, settings, String::new());
    created.await.unwrap();
}

/// The lines of the error objects.
fn failed(dir: &Path) -> Vec<Value> {
    let objects = files(&dir.join("objects")).into_iter();
    let objects = objects.filter(|(name, _)| !name.starts_with("backup/"));
    let texts = objects.map(|(name, bytes)| {
        let prefix = "failed/AmazonOpenSearchService-failed/";
        assert!(name.starts_with(prefix), "{name}");
        String::from_utf8(bytes.to_vec()).unwrap()
    });
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect()
}

/// What became of the documents of one request, of which there were so many.
struct Run {
    dir: tempfile::TempDir,
    cluster: Cluster,
    sent: Vec<Value>,
}

impl Run {
    async fn new(cluster: Cluster, count: usize, retry_seconds: u64, timeout: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(dir.path());
        create_clicks(&engine, 1).await;
        let sent = put(&engine, [0], count).await;
        let running = deliveries(dir.path(), &engine, &cluster, timeout).await;
        let settings = sent_to(&cluster, dir.path(), retry_seconds);
        create(&running, settings).await;
        until(&running, has(count)).await;
        running.shutdown().await;
        Self { dir, cluster, sent }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_in_the_index_once() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let cluster = Cluster::start().await;
    create_clicks(&engine, 2).await;
    let running = deliveries(dir.path(), &engine, &cluster, LONG).await;
    let mut settings = sent_to(&cluster, dir.path(), 0);
    settings.backup = Some(settings.objects.clone());
    create(&running, settings).await;
    let sent = put(&engine, [0, 1], 10).await;
    let described = until(&running, has(sent.len())).await;
    running.shutdown().await;
    assert_eq!(cluster.documents(), sent);
    assert_eq!(described.status.totals.failed, 0);
    let objects = files(&dir.path().join("objects"));
    assert!(objects.keys().all(|name| name.starts_with("backup/")));
    assert_eq!(described.status.totals.objects, objects.len() as u64);
    let indices = cluster.state.lock();
    let mut indices = indices.documents.keys().map(|(index, _)| index);
    assert!(indices.all(|index| index.len() == "clicks-2026-11".len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_documents_that_there_was_no_room_for_are_sent_again() {
    let cluster = Cluster::start().await;
    cluster.expect([Mood::TakeHalf]);
    let run = Run::new(cluster, 5, 60, LONG).await;
    assert_eq!(run.cluster.documents(), run.sent);
    let [first, second] = &run.cluster.requests()[..] else {
        panic!("{:?}", run.cluster.requests())
    };
    assert_eq!(second[..], [first[1].clone(), first[3].clone()]);
    assert_eq!(failed(run.dir.path()), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_there_once_whatever_becomes_of_their_answers() {
    let moods = [
        Mood::LoseAnswer,
        Mood::CutAnswer,
        Mood::Miscount,
        Mood::TooMuch,
        Mood::Refuse(503),
        Mood::Refuse(429),
        Mood::Refuse(302),
        Mood::End,
        Mood::Say("{}"),
        Mood::Say(r#"{"errors":true,"items":[]}"#),
    ];
    let runs = moods.map(|mood| {
        tokio::spawn(async move {
            let cluster = Cluster::start().await;
            cluster.expect([mood]);
            let run = Run::new(cluster, 3, 60, LONG).await;
            assert_eq!(run.cluster.documents(), run.sent, "{mood:?}");
            assert_eq!(failed(run.dir.path()), Vec::<Value>::new(), "{mood:?}");
            let requests = run.cluster.requests();
            let one = &requests[0];
            assert!(requests.iter().all(|request| request == one), "{mood:?}");
        })
    });
    for run in runs {
        run.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_share_an_index_do_not_replace_each_others_documents() {
    let cluster = Cluster::start().await;
    for _ in 0..2 {
        Run::new(cluster.clone(), 3, 0, LONG).await;
    }
    assert_eq!(cluster.documents().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_have_the_same_ids_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = engine(dir.path());
    let cluster = Cluster::start().await;
    create_clicks(&first, 1).await;
    let sent = put(&first, [0], 3).await;
    cluster.expect([Mood::LoseAnswer]);
    let running = deliveries(dir.path(), &first, &cluster, LONG).await;
    let settings = sent_to(&cluster, dir.path(), 7_200);
    create(&running, settings).await;
    until(&running, |described| described.status.last_error.is_some()).await;
    running.shutdown().await;
    first.shutdown().await.unwrap();

    let second = engine(dir.path());
    let running = deliveries(dir.path(), &second, &cluster, LONG).await;
    until(&running, has(sent.len())).await;
    running.shutdown().await;
    assert_eq!(cluster.documents(), sent);
    let [one, other] = &cluster.requests()[..] else {
        panic!("{:?}", cluster.requests())
    };
    assert_eq!(one, other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_nobody_takes_become_error_objects() {
    for (mood, retry_seconds, code) in [
        (Mood::Refuse(403), 5, "403"),
        (Mood::Refuse(500), 0, "500"),
        (Mood::Refuse(204), 0, "204"),
        (Mood::TakeHalf, 0, "429"),
        (Mood::Miscount, 0, "OpenSearch.InvalidResponse"),
        (Mood::TooMuch, 0, "OpenSearch.ResponseTooLarge"),
        (Mood::Say("[]"), 0, "OpenSearch.InvalidResponse"),
        (Mood::CutAnswer, 0, "OpenSearch.ConnectionReset"),
        (Mood::End, 0, "OpenSearch.ConnectionReset"),
        (Mood::Hang, 0, "OpenSearch.RequestTimeout"),
    ] {
        let cluster = Cluster::start().await;
        cluster.expect([mood]);
        let timeout = match mood {
            Mood::Hang => SHORT,
            _ => LONG,
        };
        let run = Run::new(cluster, 2, retry_seconds, timeout).await;
        let failed = failed(run.dir.path());
        let half = matches!(mood, Mood::TakeHalf);
        assert_eq!(failed.len(), if half { 1 } else { 2 }, "{mood:?}");
        for line in &failed {
            assert_eq!(line["errorCode"], code, "{mood:?}");
            assert_eq!(line["attemptsMade"], 1, "{mood:?}");
        }
        let raw: Vec<Value> = failed
            .iter()
            .map(|line| serde_json::from_str(&text(&line["rawData"])).unwrap())
            .collect();
        assert_eq!(raw, run.sent[usize::from(half)..], "{mood:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_the_index_cannot_have_become_error_objects() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let cluster = Cluster::start().await;
    create_clicks(&engine, 1).await;
    let shard = engine.shard(&clicks(), ShardId::new(0)).await.unwrap();
    let payloads = [
        "{\"n\": 1}\n",
        "no document",
        r#"{"n": "one"}"#,
        "{\"n\":\n 2}",
        "{}{\"n\": 3}",
        "{\"n\": 3}\n{\"delete\":{\"_index\":\"clicks\",\"_id\":\"1\"}}",
    ];
    append(&shard, &payloads.map(str::to_owned)).await;
    let running = deliveries(dir.path(), &engine, &cluster, LONG).await;
    let settings = sent_to(&cluster, dir.path(), 5);
    create(&running, settings).await;
    let described = until(&running, has(payloads.len())).await;
    running.shutdown().await;
    assert_eq!(cluster.documents(), [json!({ "n": 1 }), json!({ "n": 2 })]);
    assert_eq!(cluster.requests().len(), 1);
    assert_eq!(described.status.totals.failed, 4);
    let failed = failed(dir.path());
    let said: Vec<(&str, &str, u64)> = failed
        .iter()
        .map(|line| {
            let said = |name: &str| line[name].as_str().unwrap();
            let attempts = line["attemptsMade"].as_u64().unwrap();
            (said("errorCode"), said("errorMessage"), attempts)
        })
        .collect();
    let none = (
        "OpenSearch.InvalidDocument",
        "the record is not one JSON object",
        0,
    );
    let refused = (
        "400",
        "mapper_parsing_exception: failed to parse field [n]",
        1,
    );
    assert_eq!(said, [none, refused, none, none]);
    let refused = &failed[1];
    assert_eq!(refused["esDocumentId"], cluster.requests()[0][1]);
    assert!(
        refused["esIndexName"]
            .as_str()
            .unwrap()
            .starts_with("clicks-2")
    );
    assert_eq!(text(&refused["rawData"]), format!("{}\n", payloads[2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_large_is_sent_in_parts() {
    let cluster = Cluster::start().await;
    cluster.state.lock().bytes_max = Some(400);
    let run = Run::new(cluster, 20, 0, LONG).await;
    assert_eq!(run.cluster.documents(), run.sent);
    let requests = run.cluster.requests();
    assert!(requests.len() > 4, "{requests:?}");
    let mut ids = requests.concat();
    let ordinal = |id: &String| id.rsplit('-').next().unwrap().parse::<usize>().unwrap();
    assert!(ids.is_sorted_by_key(ordinal), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), 20);

    let cluster = Cluster::start().await;
    cluster.state.lock().bytes_max = Some(10);
    let run = Run::new(cluster, 3, 5, LONG).await;
    assert_eq!(run.cluster.documents(), Vec::<Value>::new());
    let failed = failed(run.dir.path());
    assert_eq!(failed.len(), 3);
    assert!(failed.iter().all(|line| line["errorCode"] == "413"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_no_cluster_can_have_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let cluster = Cluster::start().await;
    create_clicks(&engine, 1).await;
    let running = deliveries(dir.path(), &engine, &cluster, LONG).await;
    let url = format!("http://{}/search", cluster.addr);
    for (url, index, kind) in [
        (
            &*url.replace("search", "else"),
            "clicks",
            ErrorKind::NotFound,
        ),
        ("nonsense", "clicks", ErrorKind::Invalid),
        (&url, "Clicks", ErrorKind::Invalid),
    ] {
        let mut settings = sent_to(&cluster, dir.path(), 0);
        let index = IndexSettings::new(index.to_owned());
        let receiver = ClusterSettings::new(url.to_owned(), index);
        settings.receiver = Some(Receiver::OpenSearch(receiver));
        let refused = running.create(&name(), settings, String::new()).await;
        assert_eq!(refused.unwrap_err().kind(), kind, "{url}");
    }
}
