//! How records that were put are encrypted while they wait: by the engine, with a key of its keyring.
//!
//! The engine knows whether they are, and with which key; nothing else is kept of it.

use afflux_aws::firehose::Error;
use afflux_aws::firehose::input::{
    DeliveryStreamEncryptionConfigurationInput, StartDeliveryStreamEncryptionInput,
    StopDeliveryStreamEncryptionInput,
};
use afflux_aws::firehose::output::DeliveryStreamEncryptionConfiguration;
use afflux_aws::firehose::values::{DeliveryStreamEncryptionStatus, KeyType};
use afflux_deliver::{DeliveryDescription, DeliverySource};

use crate::context::{Context, buffer, invalid};

/// The key of those who bring none.
const OWNED_KEY: &str = "alias/aws/firehose";

/// `StartDeliveryStreamEncryption`: also with another key, or with the same one, which changes nothing.
pub(crate) async fn start(
    to: &Context,
    input: &StartDeliveryStreamEncryptionInput,
) -> Result<(), Error> {
    let key = input.encryption.as_ref().map_or(Ok(OWNED_KEY), key)?;
    set(to, &input.delivery_stream_name, Some(key)).await
}

/// `StopDeliveryStreamEncryption`, which changes nothing if it is off.
pub(crate) async fn stop(
    to: &Context,
    input: &StopDeliveryStreamEncryptionInput,
) -> Result<(), Error> {
    set(to, &input.delivery_stream_name, None).await
}

async fn set(to: &Context, name: &str, key: Option<&str>) -> Result<(), Error> {
    let name = to.name(name)?;
    let source = to.deliveries.source(&name);
    if source.map_err(|error| to.failed(&name, &error))? != DeliverySource::Direct {
        return Err(not_direct());
    }
    let set = to.buffers.set_encryption(&buffer(&name), key).await;
    set.map_err(|error| to.failed(&name, &error))
}

/// The key that a request means, by a name that the keyring knows.
pub(super) fn key(input: &DeliveryStreamEncryptionConfigurationInput) -> Result<&str, Error> {
    match (input.key_type, &input.key_arn) {
        (KeyType::AwsOwnedCmk, None) => Ok(OWNED_KEY),
        (KeyType::CustomerManagedCmk, Some(arn)) => Ok(arn),
        (KeyType::AwsOwnedCmk, Some(_)) => Err(invalid(
            "KeyARN must not be given when KeyType is AWS_OWNED_CMK.",
        )),
        (KeyType::CustomerManagedCmk, None) => Err(invalid(
            "KeyARN must be given when KeyType is CUSTOMER_MANAGED_CMK.",
        )),
    }
}

pub(super) fn not_direct() -> Error {
    invalid("Encryption is for delivery streams of the type DirectPut only.")
}

/// What a description says of it.
pub(super) fn describe(
    to: &Context,
    delivery: &DeliveryDescription,
) -> Result<DeliveryStreamEncryptionConfiguration, Error> {
    let key = match &delivery.settings.source {
        DeliverySource::Stream { .. } => None,
        DeliverySource::Direct => {
            let stream = to.buffers.describe_stream(&buffer(&delivery.name));
            let stream = stream.map_err(|error| to.failed(&delivery.name, &error))?;
            stream.encryption.map(|encryption| encryption.key)
        }
    };
    let (status, key_type) = match key.as_deref() {
        None => (DeliveryStreamEncryptionStatus::Disabled, None),
        Some(OWNED_KEY) => (
            DeliveryStreamEncryptionStatus::Enabled,
            Some(KeyType::AwsOwnedCmk),
        ),
        Some(_) => (
            DeliveryStreamEncryptionStatus::Enabled,
            Some(KeyType::CustomerManagedCmk),
        ),
    };
    Ok(DeliveryStreamEncryptionConfiguration {
        key_arn: key.filter(|_| key_type == Some(KeyType::CustomerManagedCmk)),
        key_type,
        status,
        failure: None,
    })
}
