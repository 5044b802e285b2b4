//! The AWS-compatible APIs behind HTTP: which service a request is for, who signed it, whether that
//! caller may do what it asks, and the answer.
//!
//! # Invariants
//! - With any credential, token or client authority configured, a service sees a request only after
//!   its signature was verified, and an operation runs only after the policies of its caller and of
//!   the resource allowed it.
//! - A signature is verified before the body is read into anything, and before a service reads a body
//!   that is still arriving.
//! - Without a signature a service answers only what [`Service::open`] says: requests that carry a token
//!   of its own in their URL.

mod base;
mod firehose;
mod kinesis;
mod permission;
mod service;
mod signature;
pub(crate) mod target;
mod video;

use std::sync::Arc;

use afflux_aws::document::Format;
use afflux_deliver::Deliveries;
use afflux_engine::Engine;
use afflux_types::{Clock, Result, ServerTime};
use afflux_video::library::Library;
use hyper::header::{CONTENT_TYPE, HeaderName};
use hyper::http::request::Parts;

use crate::auth::Access;
use crate::config::Config;

pub(crate) use permission::{Resource, Way};
pub(crate) use service::{
    Answer, Body, BodyFault, Call, Caller, Frames, Payload, Prepared, Refusal, Route, Running,
    Service,
};

#[cfg(test)]
pub(crate) use service::frames;

/// Where requests name their operation.
pub(crate) const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// The services of a server.
pub(crate) type Services = Vec<Box<dyn Service>>;

/// Opens the services over the engine. `library` knows where video is, for every door.
///
/// # Errors
/// As the services report them.
pub(crate) async fn open(
    config: &Config,
    engine: &Engine,
    deliveries: &Deliveries,
    library: Arc<Library>,
    clock: &Clock,
) -> Result<Services> {
    let kinesis = kinesis::open(config, engine, clock).await?;
    let video = video::open(config, engine, library, clock).await?;
    let firehose = firehose::open(config, engine, deliveries)?;
    Ok(vec![Box::new(kinesis), Box::new(video), Box::new(firehose)])
}

/// Every service, and what signatures must be made for.
pub(crate) struct Api {
    services: Services,
    region: String,
    public_url: String,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.services.iter().map(|service| service.name());
        f.debug_list().entries(names).finish()
    }
}

/// A request, but for a body that is still arriving.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) body: Body,
    pub(crate) access: &'a Access,
    pub(crate) way: Way,
    pub(crate) now: ServerTime,
}

/// An answer, with what logs and metrics say of its request.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    pub(crate) about: About,
}

/// What logs and metrics say of a request.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) service: &'static str,
    /// Never a text of the request; "none" if it named no operation.
    pub(crate) operation: &'static str,
    /// None if the request did not prove it.
    pub(crate) caller: Option<Caller>,
}

impl Api {
    /// The first service answers requests that name none.
    pub(crate) fn new(services: Services, config: &Config) -> Self {
        Self {
            services,
            region: config.aws.region.clone(),
            public_url: config.http.public_url.trim_end_matches('/').to_owned(),
        }
    }

    /// Whether a request names an operation, or is where one would be named.
    pub(crate) fn takes(&self, head: &Parts) -> bool {
        let mut services = self.services.iter();
        head.uri.path() == "/" || services.any(|service| service.takes(head))
    }

    /// Whether the service of a request reads its body while it arrives.
    pub(crate) fn reads(&self, head: &Parts) -> bool {
        self.service(head)
            .is_some_and(|service| service.reads(head))
    }

    /// Answers a request whose right is in its URL; none if it is no such request.
    pub(crate) fn open(&self, head: &Parts) -> Option<Running> {
        let mut services = self.services.iter();
        services.find_map(|service| service.open(head))
    }

    /// Answers a request; none if there is no service.
    pub(crate) async fn answer(&self, asked: Asked<'_>) -> Option<Answered> {
        let service = self.service(asked.head)?;
        let mut about = About {
            service: service.name(),
            operation: "none",
            caller: None,
        };
        let answer = match service.route(asked.head, &asked.body) {
            Ok(route) => {
                about.operation = route.operation;
                match self.admit(service, route, asked, &mut about) {
                    Ok(prepared) => prepared.run.await,
                    Err(refused) => refused,
                }
            }
            Err(refused) => refused,
        };
        Some(Answered { answer, about })
    }

    /// Answers a request whose body did not come; none if there is no service.
    pub(crate) fn refuse(&self, head: &Parts, refusal: Refusal) -> Option<Answer> {
        let content_type = head.headers.get(CONTENT_TYPE);
        let format = content_type
            .and_then(|value| value.to_str().ok())
            .and_then(Format::from_content_type)
            .unwrap_or(Format::Json);
        self.service(head)
            .map(|service| service.refuse(refusal, format))
    }

    /// Takes a request as far as it goes without doing anything.
    fn admit(
        &self,
        service: &dyn Service,
        route: Route,
        asked: Asked<'_>,
        about: &mut About,
    ) -> Result<Prepared, Answer> {
        let Route { operation, format } = route;
        let caller = signature::verify(&asked, &self.region, service.name())
            .map_err(|error| service.refuse(Refusal::Signature(error), format))?;
        about.caller = Some(caller.clone());
        let Asked {
            head,
            body,
            way,
            now,
            ..
        } = asked;
        let prepared = service.prepare(Call {
            operation,
            format,
            head,
            base: &base::of(&self.public_url, head, way),
            body,
            caller: caller.clone(),
        })?;
        let asked = permission::Asked {
            service: service.name(),
            operation,
            resource: prepared.resource.as_ref(),
            way,
            now,
        };
        permission::check(&caller, &asked)
            .map_err(|why| service.refuse(Refusal::Access(why), format))?;
        Ok(prepared)
    }

    fn service(&self, head: &Parts) -> Option<&dyn Service> {
        let mut services = self.services.iter();
        let named = services.find(|service| service.takes(head));
        named.or_else(|| self.services.first()).map(AsRef::as_ref)
    }
}

/// The text of a header.
fn header(head: &Parts, name: impl hyper::header::AsHeaderName) -> Option<&str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}
