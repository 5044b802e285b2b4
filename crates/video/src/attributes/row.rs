//! How attributes lie in the engine's settings: JSON, with the service's own words.
//!
//! Members that are not known are ignored and those that are missing have their defaults, so that
//! older and newer programs read each other's rows.

use std::collections::BTreeMap;

use afflux_aws::video::input::{
    ImageGenerationConfiguration, ImageGenerationDestinationConfig, NotificationConfiguration,
    NotificationDestinationConfig,
};
use afflux_aws::video::values::{
    ConfigurationStatus, DefaultStorageTier, Format, ImageSelectorType,
};
use afflux_engine::{Row, RowError};
use serde::{Deserialize, Serialize};

use super::Attributes;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StreamRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    device_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    tags: BTreeMap<String, String>,
    storage_tier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<NotificationRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<ImagesRow>,
    changes: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct NotificationRow {
    enabled: bool,
    uri: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct ImagesRow {
    enabled: bool,
    selector: String,
    uri: String,
    region: String,
    interval_ms: i32,
    format: String,
    format_config: Option<BTreeMap<String, String>>,
    width: Option<u32>,
    height: Option<u32>,
}

impl Row for Attributes {
    fn to_row(&self) -> Result<Vec<u8>, RowError> {
        Ok(serde_json::to_vec(&StreamRow {
            device_name: self.device_name.clone(),
            media_type: self.media_type.clone(),
            tags: self.tags.clone(),
            storage_tier: self.storage_tier.as_str().to_owned(),
            notification: self.notification.as_ref().map(NotificationRow::of),
            images: self.images.as_ref().map(ImagesRow::of),
            changes: self.changes,
        })?)
    }

    fn from_row(row: &[u8]) -> Result<Self, RowError> {
        let row: StreamRow = serde_json::from_slice(row)?;
        Ok(Self {
            device_name: row.device_name,
            media_type: row.media_type,
            tags: row.tags,
            storage_tier: DefaultStorageTier::from_word(&row.storage_tier)
                .unwrap_or(DefaultStorageTier::Hot),
            notification: row.notification.map(NotificationRow::read),
            images: row.images.map(ImagesRow::read),
            changes: row.changes,
        })
    }
}

impl NotificationRow {
    fn of(from: &NotificationConfiguration) -> Self {
        Self {
            enabled: from.status == ConfigurationStatus::Enabled,
            uri: from.destination_config.uri.clone(),
        }
    }

    fn read(self) -> NotificationConfiguration {
        NotificationConfiguration {
            status: status(self.enabled),
            destination_config: NotificationDestinationConfig { uri: self.uri },
        }
    }
}

impl ImagesRow {
    fn of(from: &ImageGenerationConfiguration) -> Self {
        Self {
            enabled: from.status == ConfigurationStatus::Enabled,
            selector: from.image_selector_type.as_str().to_owned(),
            uri: from.destination_config.uri.clone(),
            region: from.destination_config.destination_region.clone(),
            interval_ms: from.sampling_interval,
            format: from.format.as_str().to_owned(),
            format_config: from.format_config.clone(),
            width: from.width_pixels,
            height: from.height_pixels,
        }
    }

    fn read(self) -> ImageGenerationConfiguration {
        ImageGenerationConfiguration {
            status: status(self.enabled),
            image_selector_type: ImageSelectorType::from_word(&self.selector)
                .unwrap_or(ImageSelectorType::ServerTimestamp),
            destination_config: ImageGenerationDestinationConfig {
                uri: self.uri,
                destination_region: self.region,
            },
            sampling_interval: self.interval_ms,
            format: Format::from_word(&self.format).unwrap_or(Format::Jpeg),
            format_config: self.format_config,
            width_pixels: self.width,
            height_pixels: self.height,
        }
    }
}

fn status(enabled: bool) -> ConfigurationStatus {
    match enabled {
        true => ConfigurationStatus::Enabled,
        false => ConfigurationStatus::Disabled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_from_their_row() {
        let attributes = Attributes {
            device_name: Some("door".to_owned()),
            media_type: Some("video/h264".to_owned()),
            tags: [("k".to_owned(), String::new())].into(),
            storage_tier: DefaultStorageTier::Warm,
            notification: Some(NotificationConfiguration {
                status: ConfigurationStatus::Enabled,
                destination_config: NotificationDestinationConfig {
                    uri: "https://example.org/".to_owned(),
                },
            }),
            images: Some(ImageGenerationConfiguration {
                status: ConfigurationStatus::Disabled,
                image_selector_type: ImageSelectorType::ProducerTimestamp,
                destination_config: ImageGenerationDestinationConfig {
                    uri: "s3://pictures".to_owned(),
                    destination_region: "us-east-1".to_owned(),
                },
                sampling_interval: 3_000,
                format: Format::Png,
                format_config: Some([("JPEGQuality".to_owned(), "80".to_owned())].into()),
                width_pixels: Some(320),
                height_pixels: None,
            }),
            changes: 7,
        };
        for attributes in [attributes, Attributes::default()] {
            let row = attributes.to_row().unwrap();
            assert_eq!(Attributes::from_row(&row).unwrap(), attributes);
        }
        assert_eq!(Attributes::from_row(b"{}").unwrap(), Attributes::default());
    }
}
