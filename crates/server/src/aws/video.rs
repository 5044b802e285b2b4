//! Kinesis Video Streams as one of the services: its control plane, its media, and its players.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use afflux_aws::document::Format;
use afflux_aws::video::input::PutMediaInput;
use afflux_aws::video::{Class, Code, Error, Operation, Request};
use afflux_engine::Engine;
use afflux_types::{Clock, Result};
use afflux_video::library::Library;
use afflux_video::{Acks, Media, Options, Pieces, SessionAnswer, Source, Upload, Video};
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Version};
use tokio::task::AbortHandle;
use tokio::time::{Interval, MissedTickBehavior};

use super::kinesis::place;
use super::service::{
    Answer, Body, BodyFault, Call, Frames, Payload, Prepared, Refusal, Route, Running, Service,
};
use super::{Resource, TARGET, header};
use crate::config::Config;
use crate::listen::http::Arriving;

const JSON: &str = "application/json";
/// Where the models look for an error's code, and where the documentation says that it is.
const ERROR_TYPES: [HeaderName; 2] = [
    HeaderName::from_static("x-amzn-errortype"),
    HeaderName::from_static("x-amz-errortype"),
];
/// How far apart acknowledgments go out over HTTP/2, and the end after them.
///
/// The AWS SDK for C hears only the first of those that libcurl hands it at once, and waits for the others
/// until it gives up. Over HTTP/1.1 libcurl keeps chunks apart; over HTTP/2 it joins what it reads at once.
const ACKS_APART: Duration = Duration::from_millis(10);
/// Where players go, with the token of their session.
const PLAYERS: [&str; 2] = ["/hls/v1/", "/dash/v1/"];

/// The service behind the seam.
pub(super) struct Adapter(Video);

/// Opens the service over the engine.
///
/// # Errors
/// As the service reports them.
pub(super) async fn open(
    config: &Config,
    engine: &Engine,
    library: Arc<Library>,
    clock: &Clock,
) -> Result<Adapter> {
    let named = |path: &std::path::PathBuf| {
        let path = Some(path.clone());
        path.filter(|path| !path.as_os_str().is_empty())
    };
    let options = Options {
        place: place(config, Options::default().place),
        images_dir: named(&config.video.images_dir),
        ffmpeg: named(&config.video.ffmpeg),
    };
    let video = Video::open(engine.clone(), clock.clone(), library, options).await?;
    Ok(Adapter(video))
}

impl Adapter {
    fn understand(&self, call: Call<'_>) -> Result<Prepared, Error> {
        let operation = Operation::from_path(call.head.uri.path());
        let operation = operation.ok_or_else(|| Error::bare(Code::UnknownOperation))?;
        match call.body {
            Body::Whole(body) => {
                let request = Request::decode(operation, &body)?;
                let (name, arn) = request.stream();
                let resource = self.resource(call.caller.is_bound(), name, arn)?;
                let (video, base) = (self.0.clone(), call.base.to_owned());
                let run = async move { answer(video.call(request, &base).await) };
                Ok(Prepared {
                    resource,
                    run: Box::pin(run),
                })
            }
            Body::Arriving(mut body) => {
                let input = PutMediaInput::from_headers(|name| header(call.head, name))?;
                let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
                let resource = self.resource(call.caller.is_bound(), name, arn)?;
                let video = self.0.clone();
                let version = call.head.version;
                let run = async move {
                    match video.put_media(input).await {
                        Ok((upload, acks)) => {
                            body.invite().await;
                            let lines = match version {
                                Version::HTTP_2 => Pieces::new(Apart::new(Lines(acks), ACKS_APART)),
                                _ => Pieces::new(Lines(acks)),
                            };
                            take(body, upload, lines)
                        }
                        Err(said) => error(&said),
                    }
                };
                Ok(Prepared {
                    resource,
                    run: Box::pin(run),
                })
            }
        }
    }

    /// What the policies of a caller are asked about. Who may do everything is not asked for any.
    fn resource(
        &self,
        bound: bool,
        name: Option<&str>,
        arn: Option<&str>,
    ) -> Result<Option<Resource>, Error> {
        let arn = match bound {
            true => self.0.resource_of(name, arn)?,
            false => None,
        };
        Ok(arn.map(|arn| Resource {
            stream: arn.stream.to_string(),
            arn: Box::new(arn),
            policy: None,
        }))
    }
}

impl Service for Adapter {
    fn name(&self) -> &'static str {
        "kinesisvideo"
    }

    fn takes(&self, head: &Parts) -> bool {
        let named = !head.headers.contains_key(TARGET);
        named && Operation::from_path(head.uri.path()).is_some()
    }

    fn reads(&self, head: &Parts) -> bool {
        let operation = Operation::from_path(head.uri.path());
        head.method == Method::POST
            && operation.is_some_and(|operation| operation.class() == Class::Upload)
    }

    fn route(&self, head: &Parts, _: &Body) -> Result<Route, Answer> {
        let operation = Operation::from_path(head.uri.path());
        match operation.filter(|_| head.method == Method::POST) {
            Some(operation) => Ok(Route {
                operation: operation.name(),
                format: Format::Json,
            }),
            None => Err(error(&Error::new(
                Code::UnknownOperation,
                "Operations are asked for with POST.",
            ))),
        }
    }

    fn prepare(&self, call: Call<'_>) -> Result<Prepared, Answer> {
        self.understand(call).map_err(|said| error(&said))
    }

    fn refuse(&self, refusal: Refusal, _: Format) -> Answer {
        let (status, said): (_, Error) = match refusal {
            Refusal::Signature(why) => (None, why.into()),
            Refusal::Access(why) => (None, Error::new(Code::AccessDenied, why)),
            Refusal::Body(fault, why) => match fault {
                BodyFault::TooLarge => (Some(413), Error::new(Code::InvalidArgument, why)),
                BodyFault::TooSlow => (Some(408), Error::new(Code::ServiceUnavailable, why)),
                BodyFault::NoMemory => (Some(503), Error::new(Code::ServiceUnavailable, why)),
                BodyFault::Broken => (Some(400), Error::new(Code::Serialization, why)),
            },
        };
        let status = status.unwrap_or_else(|| said.status());
        Answer {
            status: Answer::whole(status, None, Bytes::new()).status,
            ..error(&said)
        }
    }

    fn open(&self, head: &Parts) -> Option<Running> {
        let path = head.uri.path();
        if !PLAYERS.iter().any(|players| path.starts_with(players)) {
            return None;
        }
        let video = self.0.clone();
        let path = path.to_owned();
        let query = head.uri.query().unwrap_or_default().to_owned();
        Some(Box::pin(async move {
            played(video.session_get(&path, &query).await)
        }))
    }
}

/// Takes the body of `PutMedia` while its acknowledgments go out.
fn take(mut body: Arriving, mut upload: Upload, acks: Pieces) -> Answer {
    let taking = tokio::spawn(async move {
        loop {
            match body.next().await {
                Some(Ok(bytes)) => {
                    if !upload.push(bytes).await {
                        return;
                    }
                }
                // What was cut off is not the end: the upload is dropped.
                Some(Err(error)) => {
                    tracing::debug!(%error, "the media of a producer was cut off");
                    return;
                }
                None => return upload.finish().await,
            }
        }
    });
    let acknowledged = Acknowledged {
        acks,
        taking: taking.abort_handle(),
    };
    Answer::frames(JSON, Box::new(acknowledged))
}

/// The acknowledgments of a producer.
struct Acknowledged {
    acks: Pieces,
    taking: AbortHandle,
}

impl Frames for Acknowledged {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let next = std::task::ready!(self.acks.poll_next(cx));
        if next.is_none() {
            // The session has ended, whatever the client still sends.
            self.taking.abort();
        }
        Poll::Ready(next)
    }
}

struct Lines(Acks);

impl Source for Lines {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        self.0.next().await.map(Ok)
    }
}

/// Pieces, and the end after them, with some time between.
struct Apart<S> {
    source: S,
    pace: Interval,
}

impl<S> Apart<S> {
    fn new(source: S, apart: Duration) -> Self {
        let mut pace = tokio::time::interval(apart);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { source, pace }
    }
}

impl<S: Source> Source for Apart<S> {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        let piece = self.source.next().await;
        self.pace.tick().await;
        piece
    }
}

/// Media on its way to a client.
struct Pulled(Pieces);

impl Frames for Pulled {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.0.poll_next(cx)
    }
}

fn answer(answer: Result<afflux_video::Answer, Error>) -> Answer {
    match answer {
        Ok(afflux_video::Answer::Body(body)) => Answer::whole(200, Some(JSON), body),
        Ok(afflux_video::Answer::Media(media)) => {
            let Media {
                content_type,
                length,
                pieces,
            } = media;
            Answer {
                payload: Payload::Frames(Box::new(Pulled(pieces)), length),
                ..Answer::whole(200, Some(content_type), Bytes::new())
            }
        }
        Err(said) => error(&said),
    }
}

/// What a player is answered.
fn played(answer: SessionAnswer) -> Answer {
    let SessionAnswer {
        status,
        content_type,
        headers,
        length,
        body,
    } = answer;
    let mut played = Answer {
        payload: Payload::Frames(Box::new(Pulled(body)), length),
        ..Answer::whole(status, Some(content_type), Bytes::new())
    };
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            played.headers.push((HeaderName::from_static(name), value));
        }
    }
    played
}

fn error(said: &Error) -> Answer {
    let mut answer = Answer::whole(said.status(), Some(JSON), said.to_bytes());
    for name in ERROR_TYPES {
        let code = HeaderValue::from_static(said.code().name());
        answer.headers.push((name, code));
    }
    answer
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    struct Same(u32);

    impl Source for Same {
        async fn next(&mut self) -> Option<Result<Bytes>> {
            self.0 = self.0.checked_sub(1)?;
            Some(Ok(Bytes::from_static(b"{}")))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_that_are_there_at_once_go_out_apart() {
        let started = Instant::now();
        let mut apart = Pieces::new(Apart::new(Same(3), ACKS_APART));
        for before in 0..=3 {
            assert_eq!(apart.next().await.is_some(), before < 3);
            assert_eq!(started.elapsed(), ACKS_APART * before);
        }
    }
}
