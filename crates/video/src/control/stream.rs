//! Making, changing and deleting streams.

use afflux_aws::video::input::{CreateStreamInput, DeleteStreamInput, UpdateStreamInput};
use afflux_aws::video::output::CreateStreamOutput;
use afflux_aws::video::values::DefaultStorageTier;
use afflux_aws::video::{Code, Error};
use afflux_engine::{NewStream, StreamKind};
use afflux_types::{ErrorKind, StreamName};

use super::retention::checked;
use super::tags;
use super::{check_still, check_version};
use crate::attributes::Attributes;
use crate::context::{Context, retention, service_error, stream_error};

/// `CreateStream`. The stream is there when this returns.
pub(crate) async fn create(
    to: &Context,
    input: CreateStreamInput,
) -> Result<CreateStreamOutput, Error> {
    // The pattern of the request lets `.` and `..` pass, and longer names.
    let name = StreamName::new(&input.stream_name)
        .map_err(|error| Error::new(Code::InvalidArgument, format!("{error}.")))?;
    let hours = checked(input.data_retention_in_hours.unwrap_or(0).into())?;
    let _creating = to.creating.lock().await;
    if to.engine.describe_stream(&name).is_ok() {
        return Err(exists(&name));
    }
    let mut attributes = Attributes {
        device_name: input.device_name,
        media_type: input.media_type,
        storage_tier: input
            .stream_storage_configuration
            .map_or(DefaultStorageTier::Hot, |storage| {
                storage.default_storage_tier
            }),
        ..Attributes::default()
    };
    tags::add(&mut attributes.tags, input.tags.unwrap_or_default())?;
    let mut new = NewStream::new(name.clone(), StreamKind::Video);
    new.retention = retention(hours);
    to.book.intend(&name, &attributes).await?;
    let made = to.engine.create_stream(new).await;
    let settled = to.book.settle(&name, attributes, made.as_ref().ok()).await;
    let made = made.map_err(|error| match error.kind() {
        ErrorKind::InUse => exists(&name),
        ErrorKind::LimitExceeded => Error::new(
            Code::AccountStreamLimitExceeded,
            format!("{}.", error.message()),
        ),
        _ => service_error(&error),
    })?;
    settled?;
    if let Some(key) = &input.kms_key_id
        && let Err(error) = to.engine.set_encryption(&name, Some(key)).await
    {
        // A stream whose media would lie open is not the one that was asked for.
        delete_known(to, &name).await?;
        return Err(service_error(&error));
    }
    Ok(CreateStreamOutput {
        stream_arn: to.arn(&name, made.created).to_string(),
    })
}

/// `UpdateStream`: what it does not name stays.
pub(crate) async fn update(to: &Context, input: UpdateStreamInput) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_version(&known, &input.current_version)?;
    let change = to.book.change(&known.stream, |attributes| {
        check_still(&known, attributes, &input.current_version)?;
        if let Some(device) = input.device_name {
            attributes.device_name = Some(device);
        }
        if let Some(media_type) = input.media_type {
            attributes.media_type = Some(media_type);
        }
        Ok(())
    });
    change.await
}

/// `DeleteStream`. The stream is gone when this returns.
pub(crate) async fn delete(to: &Context, input: DeleteStreamInput) -> Result<(), Error> {
    let known = to.stream(None, Some(&input.stream_arn))?;
    if let Some(version) = &input.current_version {
        check_version(&known, version)?;
    }
    delete_known(to, &known.stream.name).await
}

async fn delete_known(to: &Context, name: &StreamName) -> Result<(), Error> {
    let known = to.known(name)?;
    let deleted = to.engine.delete_stream(name).await;
    deleted.map_err(|error| stream_error(&error, name.as_str()))?;
    to.library.forget(name);
    to.puts.forget(name);
    to.book.forget(&known.stream).await
}

fn exists(name: &StreamName) -> Error {
    Error::new(
        Code::ResourceInUse,
        format!("The stream {name} already exists."),
    )
}
