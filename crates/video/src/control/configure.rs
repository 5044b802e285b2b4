//! What a stream does with its media beside keeping it: notifications, pictures, where it is kept.

use afflux_aws::video::input::{
    DescribeImageGenerationConfigurationInput, DescribeMappedResourceConfigurationInput,
    DescribeNotificationConfigurationInput, DescribeStreamStorageConfigurationInput,
    ImageGenerationConfiguration, NotificationConfiguration,
    UpdateImageGenerationConfigurationInput, UpdateNotificationConfigurationInput,
    UpdateStreamStorageConfigurationInput,
};
use afflux_aws::video::output::{
    self, DescribeImageGenerationConfigurationOutput, DescribeMappedResourceConfigurationOutput,
    DescribeNotificationConfigurationOutput, DescribeStreamStorageConfigurationOutput,
};
use afflux_aws::video::values::ConfigurationStatus;
use afflux_aws::video::{Code, Error};

use super::{check_still, check_version};
use crate::context::{Context, service_error};
use crate::notify::{Destination, check_pictures};

/// Milliseconds between two pictures.
const SAMPLING_INTERVAL: std::ops::RangeInclusive<i32> = 200..=20_000;

/// `DescribeNotificationConfiguration`.
pub(crate) fn describe_notification(
    to: &Context,
    input: &DescribeNotificationConfigurationInput,
) -> Result<DescribeNotificationConfigurationOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let configuration = known.attributes.notification.as_ref();
    Ok(DescribeNotificationConfigurationOutput {
        notification_configuration: configuration.map(|from| output::NotificationConfiguration {
            status: from.status,
            destination_config: output::NotificationDestinationConfig {
                uri: from.destination_config.uri.clone(),
            },
        }),
    })
}

/// `UpdateNotificationConfiguration`.
pub(crate) async fn update_notification(
    to: &Context,
    input: UpdateNotificationConfigurationInput,
) -> Result<(), Error> {
    let known = to.readable(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    if let Some(wanted) = &input.notification_configuration {
        let checked = check_notification(to, wanted).await;
        checked.map_err(|error| service_error(&error))?;
    }
    let change = to.book.change(&known.stream, |attributes| {
        attributes.notification = input.notification_configuration;
        Ok(())
    });
    change.await
}

/// `DescribeImageGenerationConfiguration`.
pub(crate) fn describe_images(
    to: &Context,
    input: &DescribeImageGenerationConfigurationInput,
) -> Result<DescribeImageGenerationConfigurationOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let configuration = known.attributes.images.as_ref();
    Ok(DescribeImageGenerationConfigurationOutput {
        image_generation_configuration: configuration.map(shown),
    })
}

/// `UpdateImageGenerationConfiguration`.
pub(crate) async fn update_images(
    to: &Context,
    input: UpdateImageGenerationConfigurationInput,
) -> Result<(), Error> {
    let known = to.readable(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    if let Some(wanted) = &input.image_generation_configuration {
        check_images(to, wanted)?;
    }
    let change = to.book.change(&known.stream, |attributes| {
        attributes.images = input.image_generation_configuration;
        Ok(())
    });
    change.await
}

/// `DescribeStreamStorageConfiguration`.
pub(crate) fn describe_storage(
    to: &Context,
    input: &DescribeStreamStorageConfigurationInput,
) -> Result<DescribeStreamStorageConfigurationOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    Ok(DescribeStreamStorageConfigurationOutput {
        stream_name: known.stream.name.to_string(),
        stream_arn: known.arn(to).to_string(),
        stream_storage_configuration: output::StreamStorageConfiguration {
            default_storage_tier: known.attributes.storage_tier,
        },
    })
}

/// `UpdateStreamStorageConfiguration`.
pub(crate) async fn update_storage(
    to: &Context,
    input: UpdateStreamStorageConfigurationInput,
) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_version(&known, &input.current_version)?;
    let change = to.book.change(&known.stream, |attributes| {
        check_still(&known, attributes, &input.current_version)?;
        attributes.storage_tier = input.stream_storage_configuration.default_storage_tier;
        Ok(())
    });
    change.await
}

/// `DescribeMappedResourceConfiguration`: no stream stores the media of anything else.
pub(crate) fn describe_mapped(
    to: &Context,
    input: &DescribeMappedResourceConfigurationInput,
) -> Result<DescribeMappedResourceConfigurationOutput, Error> {
    to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    Ok(DescribeMappedResourceConfigurationOutput {
        mapped_resource_configuration_list: Vec::new(),
        next_token: None,
    })
}

/// What is disabled may wait for its destination; what is enabled must reach it.
async fn check_notification(
    to: &Context,
    wanted: &NotificationConfiguration,
) -> afflux_types::Result<()> {
    let destination: Destination = wanted.destination_config.uri.parse()?;
    match wanted.status {
        ConfigurationStatus::Enabled => destination.check(to).await,
        ConfigurationStatus::Disabled => Ok(()),
    }
}

fn check_images(to: &Context, wanted: &ImageGenerationConfiguration) -> Result<(), Error> {
    let invalid = |text: String| Err(Error::new(Code::InvalidArgument, text));
    let interval = wanted.sampling_interval;
    if !SAMPLING_INTERVAL.contains(&interval) {
        return invalid(format!(
            "A SamplingInterval of {interval} milliseconds was asked for; {} to {} are possible.",
            SAMPLING_INTERVAL.start(),
            SAMPLING_INTERVAL.end()
        ));
    }
    if wanted.width_pixels.is_some() && wanted.height_pixels.is_none() {
        return invalid("WidthPixels needs HeightPixels beside it.".to_owned());
    }
    check_pictures(to, wanted).map_err(|error| service_error(&error))
}

fn shown(from: &ImageGenerationConfiguration) -> output::ImageGenerationConfiguration {
    output::ImageGenerationConfiguration {
        status: from.status,
        image_selector_type: from.image_selector_type,
        destination_config: output::ImageGenerationDestinationConfig {
            uri: from.destination_config.uri.clone(),
            destination_region: from.destination_config.destination_region.clone(),
        },
        sampling_interval: from.sampling_interval,
        format: from.format,
        format_config: from.format_config.clone(),
        width_pixels: from.width_pixels,
        height_pixels: from.height_pixels,
    }
}
