//! `UpdateDestination`.

use afflux_aws::firehose::input::UpdateDestinationInput;
use afflux_aws::firehose::values::S3BackupMode;
use afflux_aws::firehose::{Code, Destination, Error};

use super::DESTINATION_ID;
use crate::context::{Context, invalid};
use crate::settings;

/// `UpdateDestination`: what was taken already is delivered as before.
pub(crate) async fn update(to: &Context, input: UpdateDestinationInput) -> Result<(), Error> {
    let _changes = to.changes.lock().await;
    let known = to.known(&input.delivery_stream_name)?;
    let (delivery, document) = (known.delivery, known.document);
    let name = &delivery.name;
    let (current, specified) = (delivery.version, &input.current_delivery_stream_version_id);
    if current.to_string() != *specified {
        return Err(Error::new(
            Code::ConcurrentModification,
            format!(
                "Cannot update firehose: {name} since the current version id: {current} and specified \
                 version id: {specified} do not match"
            ),
        ));
    }
    if input.destination_id != DESTINATION_ID {
        return Err(invalid(format!(
            "Destination Id {} not found",
            input.destination_id
        )));
    }
    let Some(before) = document.destination() else {
        return Err(invalid(format!(
            "Firehose {name} was not made through this API, and cannot be changed through it."
        )));
    };
    let after = before.updated(&input)?;
    check(&before, &after)?;
    let settings = settings::of(&after, delivery.settings.source, &to.options.tables)?;
    let document = document.with_destination(&after).write();
    let updated = to.deliveries.update(name, current, settings, document);
    updated.await.map_err(|error| to.failed(name, &error))?;
    Ok(())
}

/// What cannot be changed.
fn check(before: &Destination, after: &Destination) -> Result<(), Error> {
    let (Destination::ExtendedS3(before), Destination::ExtendedS3(after)) = (before, after) else {
        return Ok(());
    };
    let on = Some(S3BackupMode::Enabled);
    if before.s3_backup_mode == on && after.s3_backup_mode != on {
        return Err(invalid(
            "S3BackupMode cannot be set to Disabled once it is Enabled.",
        ));
    }
    if settings::is_partitioned(before) != settings::is_partitioned(after) {
        return Err(invalid(
            "Dynamic partitioning can be enabled only when a delivery stream is created, and cannot be \
             disabled.",
        ));
    }
    Ok(())
}
