//! How long a stream keeps its records.

use std::time::Duration;

use afflux_aws::kinesis::input::{
    DecreaseStreamRetentionPeriodInput, IncreaseStreamRetentionPeriodInput,
};
use afflux_aws::kinesis::{Code, Error};
use afflux_engine::Retention;

use super::describe::retention_hours;
use crate::context::{Context, Known};

const HOURS_MIN: u32 = 24;
const HOURS_MAX: u32 = 8_760;

/// `IncreaseStreamRetentionPeriod`.
pub(crate) async fn increase_retention(
    to: &Context,
    input: IncreaseStreamRetentionPeriodInput,
) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let hours = checked(input.retention_period_hours)?;
    let before = retention_hours(&known);
    if before > hours {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "Requested retention period ({hours} hours) for stream {} can not be shorter than \
                 existing retention period ({before} hours). Use DecreaseRetentionPeriod API.",
                known.stream.name
            ),
        ));
    }
    set(to, &known, hours).await
}

/// `DecreaseStreamRetentionPeriod`.
pub(crate) async fn decrease_retention(
    to: &Context,
    input: DecreaseStreamRetentionPeriodInput,
) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let hours = checked(input.retention_period_hours)?;
    let before = retention_hours(&known);
    if before < hours {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "Requested retention period ({hours} hours) for stream {} can not be longer than \
                 existing retention period ({before} hours). Use IncreaseRetentionPeriod API.",
                known.stream.name
            ),
        ));
    }
    set(to, &known, hours).await
}

fn checked(hours: i32) -> Result<u32, Error> {
    let refuse = |text: String| Err(Error::new(Code::InvalidArgument, text));
    match u32::try_from(hours) {
        Ok(hours @ HOURS_MIN..=HOURS_MAX) => Ok(hours),
        Ok(HOURS_MIN..) => refuse(format!(
            "Maximum allowed retention period is {HOURS_MAX} hours. Requested retention period \
             ({hours} hours) is too long."
        )),
        _ => refuse(format!(
            "Minimum allowed retention period is {HOURS_MIN} hours. Requested retention period \
             ({hours} hours) is too short."
        )),
    }
}

async fn set(to: &Context, known: &Known, hours: u32) -> Result<(), Error> {
    let retention = Retention {
        age: Duration::from_secs(u64::from(hours) * 3_600),
        ..known.stream.retention
    };
    if retention == known.stream.retention {
        return Ok(());
    }
    let name = &known.stream.name;
    let set = to.engine.set_retention(name, retention).await;
    set.map_err(|error| to.stream_error(&error, name.as_str()))
}
