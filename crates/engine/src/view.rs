//! Which streams a handle of the engine finds by their names.
//!
//! The batches of a delivery stream wait in a stream that only the delivery service may touch: whoever
//! found it by its name could read, fill, or delete it behind that service's back. So that no API has to
//! check, an [`Engine`] finds the streams of users, and [`Engine::deliveries`] gives a handle that finds
//! the others and none else. Both share one space of names, which a prefix divides.

use std::sync::Arc;

use afflux_types::{Error, Result, StreamName};

use crate::engine::Engine;
use crate::registry::{Stream, missing};
use crate::stream::{NewStream, StreamKind};

/// How the names of delivery streams begin, and no others of this version; a stream of users that an
/// earlier one made keeps its name.
const DELIVERY_PREFIX: &str = ".delivery.";

/// Whose streams a handle finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Users,
    Deliveries,
}

/// The name of the stream in which what a delivery stream was given waits: `.delivery.<name>`.
///
/// # Errors
/// `Invalid` if `delivery` is too long for it, or has a character that no stream's name has.
pub fn delivery_stream(delivery: &str) -> Result<StreamName> {
    StreamName::new(&format!("{DELIVERY_PREFIX}{delivery}"))
}

impl Engine {
    /// A handle of the same engine that finds the streams of kind [`StreamKind::Delivery`] and none else,
    /// to make, list, use and delete them; other handles do not find these.
    ///
    /// What is not about a stream of a name is the same through either handle.
    #[must_use]
    pub fn deliveries(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            view: View::Deliveries,
        }
    }

    /// The stream of a name, if this handle finds it.
    pub(crate) fn stream(&self, name: &StreamName) -> Result<Arc<Stream>> {
        let stream = self.inner.stream(name)?;
        match self.view.shows(stream.facts.kind) {
            true => Ok(stream),
            false => Err(missing(name)),
        }
    }
}

impl View {
    /// Whether streams of a kind are found.
    pub(crate) fn shows(self, kind: StreamKind) -> bool {
        (self == Self::Deliveries) == (kind == StreamKind::Delivery)
    }

    /// Checks that a new stream will be found where it is made, and takes no name of the others.
    pub(crate) fn check_new(self, new: &NewStream) -> Result<()> {
        let has_prefix = new.name.as_str().starts_with(DELIVERY_PREFIX);
        if self.shows(new.kind) && has_prefix == (self == Self::Deliveries) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "stream {} cannot be made here: names that begin with {DELIVERY_PREFIX:?} are those of \
             delivery streams, and theirs begin with nothing else",
            new.name
        )))
    }
}
