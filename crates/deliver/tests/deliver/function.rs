//! A function that changes records as it is told, or does not answer as it should.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use afflux_deliver::FunctionSettings;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::http::request::Parts;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::serve::{End, serve};

pub(crate) const ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:enrich:1";
const TOKEN: &str = "a secret of the function";

/// What becomes of a call.
pub(crate) enum Reply {
    /// It is answered with this.
    Body(Value),
    /// It is answered with this status and these bytes.
    Raw(u16, Vec<u8>),
    /// It is answered so, with the header of a function that failed.
    Failed(Value),
    /// There is never an answer.
    Hang,
    /// The connection ends.
    End,
}

/// How a call is answered.
pub(crate) type Manner = fn(&Value) -> Reply;

/// The function; it ends with the runtime.
#[derive(Clone)]
pub(crate) struct Function {
    state: Arc<Mutex<State>>,
    addr: SocketAddr,
}

#[derive(Default)]
struct State {
    calls: Vec<Value>,
    next: VecDeque<Manner>,
}

impl Function {
    pub(crate) async fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let addr = serve(move |head, body| answer(Arc::clone(&shared), head, body)).await;
        Self { state, addr }
    }

    /// How a server is told to use it.
    pub(crate) fn settings(&self, timeout: Duration) -> FunctionSettings {
        FunctionSettings {
            name: "enrich".into(),
            url: format!(
                "http://{}/2015-03-31/functions/function/invocations",
                self.addr
            ),
            token: TOKEN.into(),
            timeout,
        }
    }

    /// The next calls are answered so, one after the other; all later ones as [`change`] does.
    pub(crate) fn answer_by(&self, manners: impl IntoIterator<Item = Manner>) {
        self.state.lock().next.extend(manners);
    }

    /// What it was told in each call.
    pub(crate) fn calls(&self) -> Vec<Value> {
        self.state.lock().calls.clone()
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    head: Parts,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, End> {
    assert_eq!(head.method, hyper::Method::POST);
    assert_eq!(
        head.uri.path(),
        "/2015-03-31/functions/function/invocations"
    );
    assert_eq!(head.headers["authorization"], format!("Bearer {TOKEN}"));
    let call: Value = serde_json::from_slice(&body).unwrap();
    let manner = {
        let mut state = state.lock();
        state.calls.push(call.clone());
        state.next.pop_front().unwrap_or(change)
    };
    let answer = Response::builder();
    let (answer, body) = match manner(&call) {
        Reply::Body(body) => (answer, body.to_string().into_bytes()),
        Reply::Raw(status, body) => (answer.status(status), body),
        Reply::Failed(body) => {
            let answer = answer.header("X-Amz-Function-Error", "Unhandled");
            (answer, body.to_string().into_bytes())
        }
        Reply::Hang => std::future::pending().await,
        Reply::End => return Err(End),
    };
    Ok(answer.body(Full::new(body.into())).unwrap())
}

/// Puts a mark behind every record.
pub(crate) fn change(call: &Value) -> Reply {
    Reply::Body(json!({ "records": records(call) }))
}

/// The records of the answer of [`change`].
pub(crate) fn records(call: &Value) -> Vec<Value> {
    let records = call["records"].as_array().unwrap();
    let changed = records.iter().map(|record| {
        let data = format!("{} changed", text(&record["data"]));
        json!({
            "recordId": record["recordId"],
            "result": "Ok",
            "data": BASE64_STANDARD.encode(data),
        })
    });
    changed.collect()
}

/// What stands in a payload.
pub(crate) fn text(data: &Value) -> String {
    let data = BASE64_STANDARD.decode(data.as_str().unwrap()).unwrap();
    String::from_utf8(data).unwrap()
}
