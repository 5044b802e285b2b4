//! Tags of delivery streams.

use std::collections::BTreeMap;
use std::ops::Bound;

use afflux_aws::firehose::input::{
    ListTagsForDeliveryStreamInput, Tag, TagDeliveryStreamInput, UntagDeliveryStreamInput,
};
use afflux_aws::firehose::output::ListTagsForDeliveryStreamOutput;
use afflux_aws::firehose::{Code, Error};

use crate::context::{Context, invalid};

/// Tags of one delivery stream.
const TAGS_MAX: usize = 50;

type Tags = BTreeMap<String, Option<String>>;

/// `TagDeliveryStream`.
pub(crate) async fn add(to: &Context, input: TagDeliveryStreamInput) -> Result<(), Error> {
    let _changes = to.changes.lock().await;
    let mut known = to.known(&input.delivery_stream_name)?;
    extend(&mut known.document.tags, &input.tags)?;
    to.keep(&known.delivery.name, &known.document).await
}

/// `UntagDeliveryStream`: tags that are not there are gone already.
pub(crate) async fn remove(to: &Context, input: &UntagDeliveryStreamInput) -> Result<(), Error> {
    let _changes = to.changes.lock().await;
    let mut known = to.known(&input.delivery_stream_name)?;
    check_keys(input.tag_keys.iter())?;
    for key in &input.tag_keys {
        known.document.tags.remove(key);
    }
    to.keep(&known.delivery.name, &known.document).await
}

/// `ListTagsForDeliveryStream`: in the order of the keys.
pub(crate) fn list(
    to: &Context,
    input: &ListTagsForDeliveryStreamInput,
) -> Result<ListTagsForDeliveryStreamOutput, Error> {
    let known = to.known(&input.delivery_stream_name)?;
    let after = input.exclusive_start_tag_key.as_deref();
    let after = after.map_or(Bound::Unbounded, Bound::Excluded);
    let tags = &known.document.tags;
    let mut rest = tags.range::<str, _>((after, Bound::Unbounded));
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
    let page = rest.by_ref().take(limit.unwrap_or(TAGS_MAX));
    let page = page.map(|(key, value)| Tag {
        key: key.clone(),
        value: value.clone(),
    });
    Ok(ListTagsForDeliveryStreamOutput {
        tags: page.collect(),
        has_more_tags: rest.next().is_some(),
    })
}

/// Adds tags, or replaces those with the same key.
pub(crate) fn extend(tags: &mut Tags, more: &[Tag]) -> Result<(), Error> {
    check_keys(more.iter().map(|tag| &tag.key))?;
    let more = more.iter().cloned();
    tags.extend(more.map(|tag| (tag.key, tag.value)));
    if tags.len() <= TAGS_MAX {
        return Ok(());
    }
    Err(Error::new(
        Code::LimitExceeded,
        format!("A delivery stream cannot have more than {TAGS_MAX} tags."),
    ))
}

fn check_keys<'k>(mut keys: impl Iterator<Item = &'k String>) -> Result<(), Error> {
    let is_reserved = |key: &&String| {
        let prefix = key.get(..4);
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
    };
    match keys.find(is_reserved) {
        Some(key) => Err(invalid(format!(
            "The prefix of the tag key {key} is reserved."
        ))),
        None => Ok(()),
    }
}
