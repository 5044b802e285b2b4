//! What the services whose operations are named by `X-Amz-Target` have in common.

use afflux_aws::document::Format;
use afflux_aws::error::{Error, InBody};
use afflux_aws::http::{self, Head, Target};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;

use super::service::{Answer, Body, BodyFault, Refusal, Route};
use super::{TARGET, header};

/// Whether a request names the service of a prefix.
pub(crate) fn is_named(head: &Parts, prefix: &str) -> bool {
    let target = header(head, TARGET).and_then(|target| target.split_once('.'));
    target.is_some_and(|(service, _)| service == prefix)
}

/// The operation of a request whose body is or is not empty.
///
/// # Errors
/// The answer to a request that names none.
pub(crate) fn routed<O: Target>(
    head: &Parts,
    body: &Body,
    name: impl FnOnce(O) -> &'static str,
) -> Result<Route, Answer> {
    let found = http::route::<O>(&Head {
        method: head.method.as_str(),
        content_type: header(head, CONTENT_TYPE),
        target: header(head, TARGET),
        body_is_empty: body.whole().is_some_and(bytes::Bytes::is_empty),
    });
    let found = found
        .map_err(|refusal| Answer::whole(refusal.status, refusal.content_type, refusal.body))?;
    Ok(Route {
        operation: name(found.operation),
        format: found.format,
    })
}

/// An error in the format of the request.
pub(crate) fn error<C: InBody>(error: &Error<C>, format: Format) -> Answer {
    let http::Refusal {
        status,
        content_type,
        body,
    } = http::Refusal::of(error, format);
    Answer::whole(status, content_type, body)
}

/// Says why a request is not taken; `unavailable` is what the service says when it cannot.
pub(crate) fn refused<C: InBody>(refusal: Refusal, format: Format, unavailable: C) -> Answer {
    let (status, said) = match refusal {
        Refusal::Signature(why) => (None, why.into()),
        Refusal::Access(why) => (None, Error::new(C::ACCESS_DENIED, why)),
        Refusal::Body(fault, why) => {
            let (status, code) = match fault {
                BodyFault::TooLarge => (413, C::VALIDATION),
                BodyFault::TooSlow => (408, unavailable),
                BodyFault::NoMemory => (503, unavailable),
                BodyFault::Broken => (400, C::SERIALIZATION),
            };
            (Some(status), Error::new(code, why))
        }
    };
    let said: Error<C> = said;
    let body = said.to_bytes(format);
    let status = status.unwrap_or_else(|| said.status());
    Answer::whole(status, Some(format.content_type()), body)
}
