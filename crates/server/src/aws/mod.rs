//! The AWS-compatible APIs behind HTTP: which service a request is for, who signed it, whether that
//! caller may do what it asks, and the answer.
//!
//! # Invariants
//! - With any credential, token or client authority configured, a service sees a request only after
//!   its signature was verified, and an operation runs only after the policies of its caller and of
//!   the resource allowed it.
//! - A signature is verified before the body is read into anything.

mod kinesis;
mod permission;
mod service;
mod signature;

use afflux_aws::kinesis::Error;
use afflux_aws::kinesis::http::Head;
use afflux_engine::Engine;
use afflux_types::{Clock, Result, ServerTime};
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName};
use hyper::http::request::Parts;

use crate::auth::Access;
use crate::config::Config;

pub(crate) use permission::{Resource, Way};
pub(crate) use service::{Answer, Call, Caller, Frames, Payload, Prepared, Route, Service};

#[cfg(test)]
pub(crate) use service::frames;

/// Where requests name their operation.
pub(crate) const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// The services of a server.
pub(crate) type Services = Vec<Box<dyn Service>>;

/// Opens the services over the engine.
///
/// # Errors
/// As the services report them.
pub(crate) async fn open(config: &Config, engine: &Engine, clock: &Clock) -> Result<Services> {
    let kinesis = kinesis::open(config, engine, clock).await?;
    Ok(vec![Box::new(kinesis)])
}

/// Every service, and what signatures must be made for.
pub(crate) struct Api {
    services: Services,
    region: String,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.services.iter().map(|service| service.name());
        f.debug_list().entries(names).finish()
    }
}

/// A request that has arrived whole.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) body: Bytes,
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
    pub(crate) fn new(services: Services, region: &str) -> Self {
        Self {
            services,
            region: region.to_owned(),
        }
    }

    /// Answers a request; none if there is no service.
    pub(crate) async fn answer(&self, asked: Asked<'_>) -> Option<Answered> {
        let headers = &asked.head.headers;
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let target = text(TARGET);
        let service = self.service(target)?;
        let mut about = About {
            service: service.name(),
            operation: "none",
            caller: None,
        };
        let route = service.route(&Head {
            method: asked.head.method.as_str(),
            content_type: text(CONTENT_TYPE),
            target,
            body_is_empty: asked.body.is_empty(),
        });
        let answer = match route {
            Ok(route) => {
                about.operation = route.operation;
                match self.admit(service, route, asked, &mut about) {
                    Ok(prepared) => prepared.run.await,
                    Err(error) => Answer::error(&error, route.format),
                }
            }
            Err(refusal) => refusal,
        };
        Some(Answered { answer, about })
    }

    /// Takes a request as far as it goes without doing anything.
    fn admit(
        &self,
        service: &dyn Service,
        route: Route,
        asked: Asked<'_>,
        about: &mut About,
    ) -> Result<Prepared, Error> {
        let caller = signature::verify(&asked, &self.region, service.name())?;
        about.caller = Some(caller.clone());
        let Route { operation, format } = route;
        let prepared = service.prepare(Call {
            operation,
            format,
            body: asked.body,
            caller: caller.clone(),
        })?;
        let asked = permission::Asked {
            service: service.name(),
            operation,
            resource: prepared.resource.as_ref(),
            way: asked.way,
            now: asked.now,
        };
        permission::check(&caller, &asked)?;
        Ok(prepared)
    }

    fn service(&self, target: Option<&str>) -> Option<&dyn Service> {
        let prefix = target.and_then(|target| target.split_once('.'));
        let named = prefix.and_then(|(prefix, _)| {
            let mut services = self.services.iter();
            services.find(|service| service.target_prefix() == prefix)
        });
        named.or_else(|| self.services.first()).map(AsRef::as_ref)
    }
}
