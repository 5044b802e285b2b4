//! How long a stream keeps its media.

use afflux_aws::video::input::UpdateDataRetentionInput;
use afflux_aws::video::values::RetentionChange;
use afflux_aws::video::{Code, Error};

use super::check_version;
use crate::context::{Context, retention, stream_error};

/// Ten years.
const HOURS_MAX: u32 = 87_600;

/// `UpdateDataRetention`. What is older than a shorter retention is deleted soon.
pub(crate) async fn update_retention(
    to: &Context,
    input: UpdateDataRetentionInput,
) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_version(&known, &input.current_version)?;
    let before = i64::from(known.retention_hours());
    let by = i64::from(input.data_retention_change_in_hours);
    let hours = checked(match input.operation {
        RetentionChange::Increase => before + by,
        RetentionChange::Decrease => before - by,
    })?;
    let name = &known.stream.name;
    let mut after = retention(hours);
    if before > 0 && hours > 0 {
        // A limit in bytes that another door has set goes on.
        after.bytes = known.stream.retention.bytes;
    }
    let set = to.engine.set_retention(name, after).await;
    set.map_err(|error| stream_error(&error, name.as_str()))
}

/// A retention that is possible.
pub(super) fn checked(hours: i64) -> Result<u32, Error> {
    let found = u32::try_from(hours)
        .ok()
        .filter(|&hours| hours <= HOURS_MAX);
    found.ok_or_else(|| {
        Error::new(
            Code::InvalidArgument,
            format!(
                "A data retention of {hours} hours was asked for; 0 to {HOURS_MAX} are possible."
            ),
        )
    })
}
