//! Clusters of `OpenSearch` and Elasticsearch: requests of their bulk API, and which answers take what of them.

mod settings;

use afflux_transform::{BulkAnswer, BulkError, Document, Indexed};
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response, StatusCode, Url};

pub use settings::ClusterSettings;

use super::refusal::{Outcome, Refusal, shown};
use super::request::{Framed, Request};
use crate::delivery::http;

/// What the codes of errors begin with that are not the cluster's.
const SERVICE: &str = "OpenSearch";
/// Bytes of an answer: of ten thousand documents, each with a long sentence.
const REPLY_BYTES_MAX: usize = 16 << 20;
/// Of an answer only what is read of it: it would be as large as the request.
const FILTER: &str = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";

/// Where a cluster takes documents.
pub(super) fn bulk(mut cluster: Url) -> Url {
    let path = format!("{}/_bulk", cluster.path().trim_end_matches('/'));
    cluster.set_path(&path);
    cluster.set_query(Some(FILTER));
    cluster
}

/// Why a record cannot be sent to any cluster.
pub(super) fn check(record: &Framed) -> Result<(), Refusal> {
    Document::check(&record.data).map_err(|error| Refusal {
        code: "OpenSearch.InvalidDocument".into(),
        message: error.to_string(),
        is_final: true,
    })
}

/// Where a record of a request goes.
pub(super) fn document(request: &Request, cluster: &ClusterSettings, record: &Framed) -> Document {
    let index = &cluster.index;
    index.document(record.arrival, &request.id, record.ordinal)
}

/// The body of a request with these records, each of which can be sent.
pub(super) fn body(request: &Request, cluster: &ClusterSettings, records: &[Framed]) -> Vec<u8> {
    let bytes: usize = records.iter().map(|record| record.data.len()).sum();
    let mut body = Vec::with_capacity(bytes + records.len() * 128);
    for record in records {
        document(request, cluster, record).write(&record.data, &mut body);
    }
    body
}

/// Sends a request with so many documents once, which has its body.
pub(super) async fn send(request: RequestBuilder, documents: usize) -> Outcome {
    let request = request.header(CONTENT_TYPE, "application/x-ndjson");
    let read = match request.send().await {
        Ok(response) => check_reply(response, documents).await,
        Err(error) => Err(error),
    };
    read.unwrap_or_else(|error| Outcome::Refused(Refusal::of_connection(SERVICE, &error)))
}

async fn check_reply(response: Response, documents: usize) -> Result<Outcome, reqwest::Error> {
    let status = response.status();
    let Some(body) = http::read(response, REPLY_BYTES_MAX).await? else {
        return Ok(Outcome::Refused(Refusal {
            code: "OpenSearch.ResponseTooLarge".into(),
            message: format!("the cluster's answer has more than {REPLY_BYTES_MAX} bytes"),
            is_final: false,
        }));
    };
    Ok(match status {
        StatusCode::OK => understand(&body, documents),
        StatusCode::PAYLOAD_TOO_LARGE => Outcome::TooLarge(refused(status, &body)),
        status => Outcome::Refused(refused(status, &body)),
    })
}

/// Of an answer that says what became of each document.
fn understand(body: &[u8], documents: usize) -> Outcome {
    let of = |indexed| match indexed {
        Indexed::Taken => None,
        Indexed::Busy(BulkError { status, message }) => Some((status, message, false)),
        Indexed::Refused(BulkError { status, message }) => Some((status, message, true)),
    };
    let refusal = |(status, message, is_final): (u16, String, bool)| Refusal {
        code: status.to_string().into(),
        message,
        is_final,
    };
    match BulkAnswer::read(body, documents) {
        Ok(answer) => {
            let items = answer.items.into_iter();
            Outcome::Each(items.map(|indexed| of(indexed).map(refusal)).collect())
        }
        Err(error) => Outcome::Refused(Refusal {
            code: "OpenSearch.InvalidResponse".into(),
            message: error.to_string(),
            is_final: false,
        }),
    }
}

/// Of an answer to a request as a whole.
fn refused(status: StatusCode, body: &[u8]) -> Refusal {
    Refusal {
        code: status.as_str().to_owned().into(),
        message: shown(body),
        is_final: status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS,
    }
}
