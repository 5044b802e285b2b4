//! Settings of a stream that stand alone: record size, distribution, encryption.

use afflux_aws::kinesis::input::{
    StartStreamEncryptionInput, StopStreamEncryptionInput, UpdateMaxRecordSizeInput,
    UpdateStreamRecordDistributionStrategyInput,
};
use afflux_aws::kinesis::values::{EncryptionType, RecordDistributionStrategy, StreamMode};
use afflux_aws::kinesis::{Code, Error};

use super::create::record_bytes;
use crate::context::Context;

/// `UpdateMaxRecordSize`.
pub(crate) async fn update_max_record_size(
    to: &Context,
    input: UpdateMaxRecordSizeInput,
) -> Result<(), Error> {
    let known = to.stream(None, input.stream_arn.as_deref())?;
    let name = &known.stream.name;
    let bytes = record_bytes(input.max_record_size_kib);
    let set = to.engine.set_record_bytes_max(name, bytes).await;
    set.map_err(|error| to.stream_error(&error, name.as_str()))
}

/// `UpdateStreamRecordDistributionStrategy`.
pub(crate) async fn update_distribution(
    to: &Context,
    input: UpdateStreamRecordDistributionStrategyInput,
) -> Result<(), Error> {
    let known = to.stream(None, Some(&input.stream_arn))?;
    let strategy = input.record_distribution_strategy;
    let change = to.book.change(&known.stream, |attributes| {
        let auto = strategy == RecordDistributionStrategy::Auto;
        if auto && attributes.mode == StreamMode::Provisioned {
            return Err(Error::new(
                Code::Validation,
                format!(
                    "Request is invalid. Stream {} under account {} is in Provisioned mode.",
                    known.stream.name,
                    to.account()
                ),
            ));
        }
        attributes.distribution = strategy;
        Ok(())
    });
    change.await
}

/// `StartStreamEncryption`: also with another key, or with the same one, which changes nothing.
pub(crate) async fn start_encryption(
    to: &Context,
    input: StartStreamEncryptionInput,
) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_type(input.encryption_type)?;
    let _updating = to.begin_update(&known.stream)?;
    let name = &known.stream.name;
    let set = to.engine.set_encryption(name, Some(&input.key_id)).await;
    set.map_err(|error| to.stream_error(&error, name.as_str()))
}

/// `StopStreamEncryption`: whichever key it names, because one key has many names.
pub(crate) async fn stop_encryption(
    to: &Context,
    input: StopStreamEncryptionInput,
) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_type(input.encryption_type)?;
    let _updating = to.begin_update(&known.stream)?;
    let name = &known.stream.name;
    if known.stream.encryption.is_none() {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "Stream {name} under account {} is not encrypted.",
                to.account()
            ),
        ));
    }
    let set = to.engine.set_encryption(name, None).await;
    set.map_err(|error| to.stream_error(&error, name.as_str()))
}

fn check_type(named: EncryptionType) -> Result<(), Error> {
    match named {
        EncryptionType::Kms => Ok(()),
        EncryptionType::None => Err(Error::new(
            Code::InvalidArgument,
            "EncryptionType NONE is not valid for this operation. The only valid value is KMS.",
        )),
    }
}
