//! Tags of streams and consumers.

use std::collections::BTreeMap;

use afflux_aws::kinesis::input::{
    AddTagsToStreamInput, ListTagsForResourceInput, ListTagsForStreamInput,
    RemoveTagsFromStreamInput, TagResourceInput, UntagResourceInput,
};
use afflux_aws::kinesis::output::{ListTagsForResourceOutput, ListTagsForStreamOutput, Tag};
use afflux_aws::kinesis::{Code, Error};
use afflux_types::{ConsumerName, StreamName};

use super::Resource;
use crate::context::Context;
use crate::stream::page_size;

/// Tags of one resource.
pub(crate) const TAGS_MAX: usize = 50;

/// `AddTagsToStream`.
pub(crate) async fn add_tags(to: &Context, input: AddTagsToStreamInput) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let owner = Owner::stream(to, &known.stream.name);
    let change = to.book.change(&known.stream, |attributes| {
        add(&mut attributes.tags, input.tags, &owner)
    });
    change.await
}

/// `RemoveTagsFromStream`.
pub(crate) async fn remove_tags(
    to: &Context,
    input: RemoveTagsFromStreamInput,
) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let owner = Owner::stream(to, &known.stream.name);
    let change = to.book.change(&known.stream, |attributes| {
        remove(&mut attributes.tags, &input.tag_keys, &owner)
    });
    change.await
}

/// `ListTagsForStream`: in the order of the keys.
pub(crate) fn list_tags(
    to: &Context,
    input: &ListTagsForStreamInput,
) -> Result<ListTagsForStreamOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let after = input.exclusive_start_tag_key.as_ref();
    let mut rest = known
        .attributes
        .tags
        .iter()
        .filter(|(key, _)| after.is_none_or(|after| *key > after));
    let limit = page_size(input.limit, TAGS_MAX);
    let tags = rest.by_ref().take(limit).map(tag_of).collect();
    Ok(ListTagsForStreamOutput {
        tags,
        has_more_tags: rest.next().is_some(),
    })
}

/// `TagResource`.
pub(crate) async fn tag(to: &Context, input: TagResourceInput) -> Result<(), Error> {
    let resource = Resource::find(to, &input.resource_arn.parse()?)?;
    let owner = Owner::resource(&input.resource_arn);
    let change = resource.change(to, |carried| add(carried.tags, input.tags, &owner));
    change.await
}

/// `UntagResource`.
pub(crate) async fn untag(to: &Context, input: UntagResourceInput) -> Result<(), Error> {
    let resource = Resource::find(to, &input.resource_arn.parse()?)?;
    let owner = Owner::resource(&input.resource_arn);
    let change = resource.change(to, |carried| remove(carried.tags, &input.tag_keys, &owner));
    change.await
}

/// `ListTagsForResource`: in the order of the keys.
pub(crate) fn resource_tags(
    to: &Context,
    input: &ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, Error> {
    let resource = Resource::find(to, &input.resource_arn.parse()?)?;
    Ok(ListTagsForResourceOutput {
        tags: resource.tags(to).iter().map(tag_of).collect(),
    })
}

/// Whose tags they are, in the words of messages.
pub(crate) struct Owner {
    full: String,
    kind: &'static str,
}

impl Owner {
    pub(crate) fn stream(to: &Context, name: &StreamName) -> Self {
        Self {
            full: format!("stream {name} under account {}", to.account()),
            kind: "stream",
        }
    }

    pub(crate) fn consumer(name: &ConsumerName) -> Self {
        Self {
            full: format!("consumer {name}"),
            kind: "consumer",
        }
    }

    fn resource(arn: &str) -> Self {
        Self {
            full: format!("resource {arn}"),
            kind: "resource",
        }
    }
}

/// Adds tags, or replaces those with the same key.
pub(crate) fn add(
    tags: &mut BTreeMap<String, String>,
    more: BTreeMap<String, String>,
    owner: &Owner,
) -> Result<(), Error> {
    let failed = || format!("Failed to add tags to {}", owner.full);
    for text in more.iter().flat_map(|(key, value)| [key, value]) {
        check_text(text, failed)?;
    }
    check_keys(more.keys(), failed)?;
    tags.extend(more);
    if tags.len() > TAGS_MAX {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "{} because a given {} cannot have more than {TAGS_MAX} tags associated with it.",
                failed(),
                owner.kind
            ),
        ));
    }
    Ok(())
}

fn remove(
    tags: &mut BTreeMap<String, String>,
    keys: &[String],
    owner: &Owner,
) -> Result<(), Error> {
    let failed = || format!("Failed to remove tags from {}", owner.full);
    for key in keys {
        check_text(key, failed)?;
    }
    check_keys(keys.iter(), failed)?;
    for key in keys {
        tags.remove(key);
    }
    Ok(())
}

/// The service checks in two places, and says something else in each.
fn check_text(text: &str, failed: impl Fn() -> String) -> Result<(), Error> {
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@%".contains(c);
    if !text.chars().all(allowed) {
        return Err(Error::new(
            Code::InvalidArgument,
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white \
             space, _ . / = + - % @.",
        ));
    }
    if text.contains('%') {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "{} because some tags contained illegal characters. The allowed characters are \
                 Unicode letters, white-spaces, '_',',','/','=','+','-','@'.",
                failed()
            ),
        ));
    }
    Ok(())
}

fn check_keys<'k>(
    mut keys: impl Iterator<Item = &'k String>,
    failed: impl Fn() -> String,
) -> Result<(), Error> {
    let reserved = |key: &&String| {
        let prefix = key.get(..4);
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
    };
    match keys.find(reserved) {
        Some(key) => Err(Error::new(
            Code::InvalidArgument,
            format!("{} because the prefix of {key} is reserved.", failed()),
        )),
        None => Ok(()),
    }
}

fn tag_of((key, value): (&String, &String)) -> Tag {
    Tag {
        key: key.clone(),
        value: Some(value.clone()),
    }
}
