//! Pictures of fragments that ask for them, as files.
//!
//! # Shape
//! One file for each time that is a multiple of the interval and lies in the fragment:
//! `Prefix_Account_Stream_Time_Random.jpg`, as the service names its objects, and beside it a file
//! `.json` with what the service keeps as the object's metadata. Files appear whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use afflux_aws::video::input::ImageGenerationConfiguration;
use afflux_aws::video::values::{ConfigurationStatus, Format, ImageSelectorType};
use afflux_engine::random;
use afflux_media::StoredFragment;
use afflux_types::{Error, Result};
use bytes::Bytes;

use super::{IMAGE_PREFIX, Notice};
use crate::context::{Context, Known};
use crate::images::{Look, Maker};
use crate::library::{Found, entries};
use crate::limits::IMAGES_OF_FRAGMENT_MAX;

/// Makes the pictures of a fragment.
pub(super) async fn make(ctx: &Arc<Context>, known: &Known, notice: &Notice) -> Result<()> {
    let Some(rules) = &known.attributes.images else {
        return Ok(());
    };
    if rules.status != ConfigurationStatus::Enabled {
        return Ok(());
    }
    let below = parts(&rules.destination_config.uri)?;
    let directory = below.fold(root(ctx)?.to_path_buf(), |path, part| path.join(part));
    let look = look(rules)?;
    let found = find(notice).await?;
    let start = match rules.image_selector_type {
        ImageSelectorType::ProducerTimestamp => notice.producer_time.as_millis(),
        ImageSelectorType::ServerTimestamp => notice.number.server_time().as_millis(),
    };
    let times = times(start, i64::from(found.meta.duration_ms), rules);
    let maker = Maker::new(ctx, notice.shard.clone());
    let pictures = maker.pictures(Some((&found, start)), &times, look).await;
    for (time, picture) in times.iter().zip(pictures) {
        match picture {
            Ok(content) => {
                let name = name(ctx, notice, *time)?;
                write(&directory, &name, look, content, notice).await?;
            }
            Err(_) => {
                let stream = notice.stream();
                tracing::debug!(%stream, time, "a picture cannot be made");
            }
        }
    }
    Ok(())
}

fn look(rules: &ImageGenerationConfiguration) -> Result<Look> {
    let size = (rules.width_pixels, rules.height_pixels);
    let look = Look::new(
        rules.format == Format::Png,
        rules.format_config.as_ref(),
        size,
    );
    look.map_err(|error| Error::invalid(error.to_string()))
}

/// The multiples of the interval in a fragment.
fn times(start: i64, duration: i64, rules: &ImageGenerationConfiguration) -> Vec<i64> {
    let interval = i64::from(rules.sampling_interval).max(1);
    let end = start.saturating_add(duration);
    let first = start.saturating_add((-start).rem_euclid(interval));
    let times = std::iter::successors(Some(first), |time| time.checked_add(interval));
    let inside = times.take_while(|time| *time < end);
    inside.take(IMAGES_OF_FRAGMENT_MAX).collect()
}

async fn find(notice: &Notice) -> Result<Found> {
    let position = notice.number.position();
    let slice = notice.shard.read(position, 1).await?;
    for entry in entries(slice.bytes) {
        let entry = entry?;
        if entry.header.record_count > 0
            && entry.header.stamp.is_some_and(|at| at.position == position)
        {
            let meta = StoredFragment::peek(&entry.body())?;
            return Ok(Found { entry, meta });
        }
    }
    Err(Error::not_found("the fragment is gone"))
}

/// Where the pictures of a stream go: `s3://name/prefix` is a directory below that of the operator.
///
/// # Errors
/// `Invalid` if `uri` names none.
fn parts(uri: &str) -> Result<impl Iterator<Item = &str> + Clone> {
    let path = uri.strip_prefix("s3://").ok_or_else(|| {
        Error::invalid(format!(
            "{uri} does not begin with s3://, and this server writes pictures nowhere else"
        ))
    })?;
    let parts = path.trim_end_matches('/').split('/');
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !parts.clone().all(is_plain) || path.contains(['\\', '\0']) {
        let problem = format!("{uri} does not name a directory below that of the server");
        return Err(Error::invalid(problem));
    }
    Ok(parts)
}

fn root(ctx: &Context) -> Result<&Path> {
    let root = ctx.options.images_dir.as_deref();
    root.ok_or_else(|| {
        Error::invalid("this server has no directory for pictures: video.images_dir names none")
    })
}

/// Refuses rules by which no pictures can be made.
///
/// # Errors
/// `Invalid`, with what is wrong.
pub(crate) fn check(ctx: &Context, rules: &ImageGenerationConfiguration) -> Result<()> {
    let _ = parts(&rules.destination_config.uri)?;
    look(rules)?;
    match rules.status {
        ConfigurationStatus::Enabled => root(ctx).map(drop),
        ConfigurationStatus::Disabled => Ok(()),
    }
}

/// `Prefix_Account_Stream_Time_Random`.
fn name(ctx: &Context, notice: &Notice, time: i64) -> Result<String> {
    let prefix = notice.tags.iter().find(|tag| tag.name() == IMAGE_PREFIX);
    let prefix = prefix.map_or("", |tag| tag.value());
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let prefix: String = prefix.chars().filter(is_plain).collect();
    // A name that begins with a dot is one that is being written.
    let prefix = prefix.trim_start_matches('.');
    let mut bits = [0; 8];
    random(&mut bits)?;
    let joint = if prefix.is_empty() { "" } else { "_" };
    Ok(format!(
        "{prefix}{joint}{}_{}_{time}_{:016x}",
        ctx.options.place.account,
        notice.stream(),
        u64::from_be_bytes(bits)
    ))
}

async fn write(
    directory: &Path,
    name: &str,
    look: Look,
    content: Bytes,
    notice: &Notice,
) -> Result<()> {
    let number = notice.number.to_string();
    let (producer, server) = (notice.producer_time, notice.number.server_time());
    let mut about = BTreeMap::from([
        (
            "aws_kinesisvideo_producer_timestamp",
            producer.as_millis().to_string(),
        ),
        (
            "aws_kinesisvideo_server_timestamp",
            server.as_millis().to_string(),
        ),
        ("aws_kinesisvideo_fragment_number", number),
    ]);
    about.extend(
        notice
            .own_tags()
            .map(|tag| (tag.name(), tag.value().to_owned())),
    );
    // Texts only: writing them as JSON cannot fail.
    let about = serde_json::to_vec(&about).unwrap_or_default();
    let failed = |error: std::io::Error| {
        let problem = format!("write a picture into {}", directory.display());
        Error::unavailable(problem).with_source(error)
    };
    tokio::fs::create_dir_all(directory).await.map_err(failed)?;
    let files = [("json", Bytes::from(about)), (look.extension(), content)];
    for (extension, content) in files {
        let open = directory.join(format!(".{name}.{extension}"));
        let whole = directory.join(format!("{name}.{extension}"));
        tokio::fs::write(&open, &content).await.map_err(failed)?;
        tokio::fs::rename(&open, &whole).await.map_err(failed)?;
    }
    Ok(())
}
