//! Streams and what is set of them: made, described, changed, tagged, deleted.

mod configure;
mod describe;
mod retention;
mod stream;
mod tags;

pub(crate) use configure::{
    describe_images, describe_mapped, describe_notification, describe_storage, update_images,
    update_notification, update_storage,
};
pub(crate) use describe::{data_endpoint, describe, list};
pub(crate) use retention::update_retention;
pub(crate) use stream::{create, delete, update};
pub(crate) use tags::{
    list_resource_tags, list_stream_tags, tag_resource, tag_stream, untag_resource, untag_stream,
};

use afflux_aws::video::{Code, Error};

use crate::attributes::Attributes;
use crate::context::Known;

/// Holds the version that a request means against the one there is.
fn check_version(known: &Known, wanted: &str) -> Result<(), Error> {
    if known.version() == wanted {
        return Ok(());
    }
    Err(mismatch(known, wanted))
}

/// As [`check_version`], while nothing else can change: the version may have changed since.
fn check_still(known: &Known, now: &Attributes, wanted: &str) -> Result<(), Error> {
    if now.changes == known.attributes.changes {
        return Ok(());
    }
    Err(mismatch(known, wanted))
}

fn mismatch(known: &Known, wanted: &str) -> Error {
    let name = &known.stream.name;
    Error::new(
        Code::VersionMismatch,
        format!(
            "The stream version {wanted} is not the latest version of stream {name}; DescribeStream \
             tells it."
        ),
    )
}
