//! What every operation starts from: the engine, the stream that a request means, what is remembered
//! of it, and how the engine's errors are said in the service's words.

use std::sync::Arc;
use std::time::Duration;

use afflux_aws::arn::stream_name;
use afflux_aws::token::Sealer;
use afflux_aws::video::arn::StreamArn;
use afflux_aws::video::{Code, Error};
use afflux_engine::{Engine, KeyFault, Retention, StreamDescription, StreamKind};
use afflux_types::{Clock, ErrorKind, Result, ServerTime, StreamName};
use ring::digest::{SHA256, digest};

use crate::Options;
use crate::attributes::{Attributes, Book, token_key};
use crate::library::Library;
use crate::{put, session};

/// What operations share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    /// What only this API knows of streams.
    pub(crate) book: Book,
    /// Paging and session tokens.
    pub(crate) sealer: Sealer,
    /// Where fragments are.
    pub(crate) library: Arc<Library>,
    /// What the operations on media share.
    pub(crate) puts: put::State,
    /// What playback sessions share.
    pub(crate) sessions: session::State,
    /// Held while a stream is made: what is intended for a name is meant for one stream.
    pub(crate) creating: tokio::sync::Mutex<()>,
}

/// A stream of video that exists.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) stream: StreamDescription,
    pub(crate) attributes: Arc<Attributes>,
}

impl Context {
    pub(crate) async fn open(
        engine: Engine,
        clock: Clock,
        library: Arc<Library>,
        options: Options,
    ) -> Result<Self> {
        let key = token_key(&engine).await?;
        let mut seed = [0; 8];
        afflux_engine::random(&mut seed)?;
        Ok(Self {
            sealer: Sealer::new(&key, u64::from_be_bytes(seed)),
            book: Book::open(&engine).await?,
            library,
            puts: put::State::default(),
            sessions: session::State::default(),
            creating: tokio::sync::Mutex::default(),
            engine,
            clock,
            options,
        })
    }

    /// The stream's name, of a request that may give it, its ARN, or both.
    pub(crate) fn name(&self, name: Option<&str>, arn: Option<&str>) -> Result<StreamName, Error> {
        let of_arn = arn.map(str::parse::<StreamArn>).transpose()?;
        let of_arn = of_arn.map(|arn| arn.stream);
        stream_name(name, of_arn, no_stream)?.ok_or_else(|| {
            Error::new(
                Code::InvalidArgument,
                "Either StreamName or StreamARN must be provided.",
            )
        })
    }

    /// The stream that a request means.
    ///
    /// # Errors
    /// `ResourceNotFoundException` if there is none, also if there is another one of that name now.
    pub(crate) fn stream(&self, name: Option<&str>, arn: Option<&str>) -> Result<Known, Error> {
        let named = self.name(name, arn)?;
        let known = self.known(&named)?;
        let same = match arn {
            Some(arn) => arn.parse::<StreamArn>()?.created == known.stream.created,
            None => true,
        };
        same.then_some(known)
            .ok_or_else(|| no_stream(named.as_str()))
    }

    /// As [`Self::stream`], for operations on what is kept.
    ///
    /// # Errors
    /// `NoDataRetentionException` if nothing is.
    pub(crate) fn readable(&self, name: Option<&str>, arn: Option<&str>) -> Result<Known, Error> {
        let known = self.stream(name, arn)?;
        if known.retention_hours() > 0 {
            return Ok(known);
        }
        Err(Error::new(
            Code::NoDataRetention,
            format!("Stream {} has no data retention.", known.stream.name),
        ))
    }

    /// The stream of this name. A stream of records is none of this API's.
    pub(crate) fn known(&self, name: &StreamName) -> Result<Known, Error> {
        let stream = self
            .engine
            .describe_stream(name)
            .map_err(|error| stream_error(&error, name.as_str()))?;
        if stream.kind != StreamKind::Video {
            return Err(no_stream(name.as_str()));
        }
        let attributes = self.book.of_id(stream.id);
        Ok(Known { stream, attributes })
    }

    pub(crate) fn now(&self) -> ServerTime {
        self.clock.wall()
    }

    /// The ARN of a stream with our place in it.
    pub(crate) fn arn(&self, name: &StreamName, created: ServerTime) -> StreamArn {
        StreamArn {
            place: self.options.place.clone(),
            stream: name.clone(),
            created,
        }
    }
}

impl Known {
    pub(crate) fn arn(&self, to: &Context) -> StreamArn {
        to.arn(&self.stream.name, self.stream.created)
    }

    /// Hours that media is kept; 0 if it is kept only for those who watch, see [`Retention::BUFFER`].
    pub(crate) fn retention_hours(&self) -> u32 {
        let hours = self.stream.retention.age.as_secs() / 3_600;
        u32::try_from(hours).unwrap_or(u32::MAX)
    }

    /// What names the state of the stream's settings, whichever door changed them.
    pub(crate) fn version(&self) -> String {
        let Retention { age, bytes } = self.stream.retention;
        let state = format!(
            "{}/{}/{}/{bytes:?}/{:?}",
            self.stream.id,
            self.attributes.changes,
            age.as_millis(),
            self.stream.encryption
        );
        let digits = digest(&SHA256, state.as_bytes());
        let digits = digits.as_ref().iter().take(20);
        digits
            .map(|byte| char::from(VERSION_DIGITS[usize::from(byte % 32)]))
            .collect()
    }
}

const VERSION_DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// How long media is kept.
pub(crate) fn retention(hours: u32) -> Retention {
    match hours {
        0 => Retention::BUFFER,
        hours => Retention {
            age: Duration::from_secs(u64::from(hours) * 3_600),
            bytes: None,
        },
    }
}

pub(crate) fn no_stream(name: &str) -> Error {
    Error::new(
        Code::ResourceNotFound,
        format!("The requested stream {name} is not found or not active."),
    )
}

/// Says an error of the engine about the stream `name` in the service's words.
pub(crate) fn stream_error(error: &afflux_types::Error, name: &str) -> Error {
    match error.kind() {
        ErrorKind::NotFound if KeyFault::of(error).is_none() => no_stream(name),
        _ => service_error(error),
    }
}

/// Says an error of the engine in the service's words.
pub(crate) fn service_error(error: &afflux_types::Error) -> Error {
    if KeyFault::of(error).is_some() {
        // Where the server keeps its keys is not the caller's business.
        tracing::warn!(error = %error.chain(), "a stream's key cannot be used");
        return Error::new(
            Code::InvalidArgument,
            "The stream's key cannot be used; the server's log says why.",
        );
    }
    let code = match error.kind() {
        ErrorKind::Invalid | ErrorKind::Expired => Code::InvalidArgument,
        ErrorKind::NotFound => Code::ResourceNotFound,
        ErrorKind::InUse | ErrorKind::ShardMoved => Code::ResourceInUse,
        ErrorKind::LimitExceeded | ErrorKind::Throttled => Code::ClientLimitExceeded,
        ErrorKind::Denied => Code::NotAuthorized,
        ErrorKind::Unavailable => Code::ServiceUnavailable,
        _ => {
            tracing::error!(error = %error.chain(), "a request failed");
            return Error::bare(Code::InternalFailure);
        }
    };
    Error::new(code, format!("{}.", error.message().trim_end_matches('.')))
}
