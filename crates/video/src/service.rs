//! From a request to an answer: the table of operations.

use std::sync::Arc;

use afflux_aws::document::Encode;
use afflux_aws::video::arn::StreamArn;
use afflux_aws::video::input::PutMediaInput;
use afflux_aws::video::output::{
    GetDASHStreamingSessionURLOutput, GetHLSStreamingSessionURLOutput,
};
use afflux_aws::video::{Class, Code, Error, Request, encode};
use afflux_engine::Engine;
use afflux_types::{Clock, Result};
use bytes::Bytes;

use crate::context::Context;
use crate::library::Library;
use crate::pieces::Pieces;
use crate::{Acks, Options, Upload, clip, control, get, images, list, put, session};

/// The service; a cheap handle.
#[derive(Clone, Debug)]
pub struct Video(Arc<Context>);

/// What a request is answered with.
#[derive(Debug)]
pub enum Answer {
    /// A document.
    Body(Bytes),
    /// Media.
    Media(Media),
}

/// Media on its way out.
#[derive(Debug)]
pub struct Media {
    /// What it is.
    pub content_type: &'static str,
    /// Its bytes, if they are known before.
    pub length: Option<u64>,
    /// The bytes.
    pub pieces: Pieces,
}

/// What a player is answered.
#[derive(Debug)]
pub struct SessionAnswer {
    /// The HTTP status.
    pub status: u16,
    /// What the body is.
    pub content_type: &'static str,
    /// Headers of this answer, with names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Bytes of the body, if they are known before.
    pub length: Option<u64>,
    /// The body.
    pub body: Pieces,
}

impl Video {
    /// The service over `engine`. `library` knows where fragments are, for other doors to the same
    /// streams too.
    ///
    /// # Errors
    /// As the engine's settings report them.
    pub async fn open(
        engine: Engine,
        clock: Clock,
        library: Arc<Library>,
        options: Options,
    ) -> Result<Self> {
        let context = Context::open(engine, clock, library, options).await?;
        let context = Arc::new(context);
        context.library.serve(&context);
        Ok(Self(context))
    }

    /// The ARN of the stream that a name and an ARN mean, for policies; it need not exist. `None` if
    /// there is neither.
    ///
    /// # Errors
    /// The service's error for a name and an ARN that contradict each other, or are malformed.
    pub fn resource_of(
        &self,
        name: Option<&str>,
        arn: Option<&str>,
    ) -> Result<Option<StreamArn>, Error> {
        let to = &self.0;
        if name.is_none() && arn.is_none() {
            return Ok(None);
        }
        let name = to.name(name, arn)?;
        let made = to.known(&name).map(|known| known.stream.created);
        Ok(Some(to.arn(&name, made.unwrap_or_default())))
    }

    /// Answers a request. `base` is the URL, without a path, at which the client reaches the server.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// The service's own.
    ///
    /// # Cancel safety
    /// A change that has begun is finished.
    pub async fn call(&self, request: Request, base: &str) -> Result<Answer, Error> {
        if request.operation().class() == Class::Media {
            return media(&self.0, request, base).await;
        }
        let (to, base) = (Arc::clone(&self.0), base.to_owned());
        // A task of its own: a client that goes away leaves nothing half done.
        let call = tokio::spawn(async move { change(&to, request, &base).await });
        call.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request was not finished");
            Err(Error::bare(Code::InternalFailure))
        })
    }

    /// Begins to take media in.
    ///
    /// # Errors
    /// The service's own.
    pub async fn put_media(&self, input: PutMediaInput) -> Result<(Upload, Acks), Error> {
        put::put_media(&self.0, input).await
    }

    /// Answers a player, whose right is the token in `query`.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn session_get(&self, path: &str, query: &str) -> SessionAnswer {
        session::get(&self.0, path, query).await
    }
}

async fn media(to: &Arc<Context>, request: Request, base: &str) -> Result<Answer, Error> {
    match request {
        Request::GetMedia(input) => get::get_media(to, input).await.map(Answer::Media),
        Request::GetMediaForFragmentList(input) => {
            let answer = get::get_media_for_fragment_list(to, input).await;
            answer.map(Answer::Media)
        }
        Request::GetClip(input) => clip::get_clip(to, input).await.map(Answer::Media),
        Request::ListFragments(input) => body(list::list_fragments(to, input).await),
        Request::GetImages(input) => body(images::get_images(to, input).await),
        Request::GetHLSStreamingSessionURL(input) => {
            let path = session::hls_session(to, input).await?;
            body(Ok(GetHLSStreamingSessionURLOutput {
                hls_streaming_session_url: format!("{base}{path}"),
            }))
        }
        Request::GetDASHStreamingSessionURL(input) => {
            let path = session::dash_session(to, input).await?;
            body(Ok(GetDASHStreamingSessionURLOutput {
                dash_streaming_session_url: format!("{base}{path}"),
            }))
        }
        _ => Err(Error::bare(Code::UnknownOperation)),
    }
}

async fn change(to: &Context, request: Request, base: &str) -> Result<Answer, Error> {
    use Request as R;
    match request {
        R::CreateStream(input) => body(control::create(to, input).await),
        R::DeleteStream(input) => control::delete(to, input).await.map(done),
        R::DescribeStream(input) => body(control::describe(to, &input)),
        R::ListStreams(input) => body(control::list(to, &input)),
        R::UpdateStream(input) => control::update(to, input).await.map(done),
        R::UpdateDataRetention(input) => control::update_retention(to, input).await.map(done),
        R::GetDataEndpoint(input) => body(control::data_endpoint(to, &input, base)),

        R::DescribeNotificationConfiguration(input) => {
            body(control::describe_notification(to, &input))
        }
        R::UpdateNotificationConfiguration(input) => {
            control::update_notification(to, input).await.map(done)
        }
        R::DescribeImageGenerationConfiguration(input) => {
            body(control::describe_images(to, &input))
        }
        R::UpdateImageGenerationConfiguration(input) => {
            control::update_images(to, input).await.map(done)
        }
        R::DescribeStreamStorageConfiguration(input) => body(control::describe_storage(to, &input)),
        R::UpdateStreamStorageConfiguration(input) => {
            control::update_storage(to, input).await.map(done)
        }
        R::DescribeMappedResourceConfiguration(input) => body(control::describe_mapped(to, &input)),

        R::TagStream(input) => control::tag_stream(to, input).await.map(done),
        R::UntagStream(input) => control::untag_stream(to, input).await.map(done),
        R::ListTagsForStream(input) => body(control::list_stream_tags(to, &input)),
        R::TagResource(input) => control::tag_resource(to, input).await.map(done),
        R::UntagResource(input) => control::untag_resource(to, input).await.map(done),
        R::ListTagsForResource(input) => body(control::list_resource_tags(to, &input)),

        R::GetMedia(_)
        | R::GetMediaForFragmentList(_)
        | R::GetClip(_)
        | R::ListFragments(_)
        | R::GetImages(_)
        | R::GetHLSStreamingSessionURL(_)
        | R::GetDASHStreamingSessionURL(_) => Err(Error::bare(Code::UnknownOperation)),
    }
}

/// The answer of an operation that answers nothing: a document without members.
fn done((): ()) -> Answer {
    Answer::Body(Bytes::from_static(b"{}"))
}

fn body<T: Encode>(answer: Result<T, Error>) -> Result<Answer, Error> {
    answer.map(|answer| Answer::Body(encode(&answer)))
}
