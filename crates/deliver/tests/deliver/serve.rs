//! A server of HTTP for those that stand in for other programs.

use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Instead of an answer: the connection ends.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends")]
pub(crate) struct End;

/// Answers every request, which has come as a whole, by `answer`; ends with the runtime.
pub(crate) async fn serve<B, F>(
    answer: impl Fn(Parts, Bytes) -> F + Clone + Send + Sync + 'static,
) -> SocketAddr
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    F: Future<Output = Result<Response<B>, End>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = service_fn(|request: Request<Incoming>| async {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.map_err(|_| End)?;
                    answer(head, body.to_bytes()).await
                });
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    addr
}
