//! Tags of streams.

use std::collections::BTreeMap;

use afflux_aws::video::input::{
    ListTagsForResourceInput, ListTagsForStreamInput, TagResourceInput, TagStreamInput,
    UntagResourceInput, UntagStreamInput,
};
use afflux_aws::video::output::ListTagsOutput;
use afflux_aws::video::{Code, Error};

use crate::context::{Context, Known, no_stream};

/// Tags of one stream.
const TAGS_MAX: usize = 50;
/// What no key of a tag may begin with.
const RESERVED: &str = "aws:";

/// `TagStream`.
pub(crate) async fn tag_stream(to: &Context, input: TagStreamInput) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    tag(to, &known, input.tags).await
}

/// `UntagStream`.
pub(crate) async fn untag_stream(to: &Context, input: UntagStreamInput) -> Result<(), Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    untag(to, &known, &input.tag_key_list).await
}

/// `ListTagsForStream`: all on one page.
pub(crate) fn list_stream_tags(
    to: &Context,
    input: &ListTagsForStreamInput,
) -> Result<ListTagsOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    list(&known, input.next_token.as_deref())
}

/// `TagResource`.
pub(crate) async fn tag_resource(to: &Context, input: TagResourceInput) -> Result<(), Error> {
    let known = resource(to, &input.resource_arn)?;
    let mut tags = BTreeMap::new();
    for tag in input.tags {
        if let Some(twice) = tags.insert(tag.key.clone(), tag.value).map(|_| tag.key) {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("The tag key {twice} is given twice."),
            ));
        }
    }
    tag(to, &known, tags).await
}

/// `UntagResource`.
pub(crate) async fn untag_resource(to: &Context, input: UntagResourceInput) -> Result<(), Error> {
    let known = resource(to, &input.resource_arn)?;
    untag(to, &known, &input.tag_key_list).await
}

/// `ListTagsForResource`: all on one page.
pub(crate) fn list_resource_tags(
    to: &Context,
    input: &ListTagsForResourceInput,
) -> Result<ListTagsOutput, Error> {
    let known = resource(to, &input.resource_arn)?;
    list(&known, input.next_token.as_deref())
}

/// The stream of an ARN; there is nothing else that has tags.
fn resource(to: &Context, arn: &str) -> Result<Known, Error> {
    // The ARN of a channel, for example, is one of something that does not exist.
    let kind = arn.rsplit(':').next().and_then(|end| end.split('/').next());
    match kind {
        Some("stream") => to.stream(None, Some(arn)),
        _ => Err(no_stream(arn)),
    }
}

async fn tag(to: &Context, known: &Known, more: BTreeMap<String, String>) -> Result<(), Error> {
    let change = to
        .book
        .change(&known.stream, |attributes| add(&mut attributes.tags, more));
    change.await
}

async fn untag(to: &Context, known: &Known, keys: &[String]) -> Result<(), Error> {
    let change = to.book.change(&known.stream, |attributes| {
        for key in keys {
            attributes.tags.remove(key);
        }
        Ok(())
    });
    change.await
}

fn list(known: &Known, token: Option<&str>) -> Result<ListTagsOutput, Error> {
    if token.is_some_and(|token| !token.is_empty()) {
        // No page but the first is ever announced.
        return Err(Error::new(Code::InvalidArgument, "Invalid NextToken."));
    }
    Ok(ListTagsOutput {
        next_token: None,
        tags: known.attributes.tags.clone(),
    })
}

/// Adds tags, or replaces those with the same key.
pub(super) fn add(
    tags: &mut BTreeMap<String, String>,
    more: BTreeMap<String, String>,
) -> Result<(), Error> {
    let reserved = |key: &&String| {
        let prefix = key.get(..RESERVED.len());
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED))
    };
    if let Some(key) = more.keys().find(reserved) {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("The prefix of the tag key {key} is reserved."),
        ));
    }
    tags.extend(more);
    if tags.len() > TAGS_MAX {
        return Err(Error::new(
            Code::TagsPerResourceExceededLimit,
            format!(
                "The stream would have {} tags; the limit is {TAGS_MAX}.",
                tags.len()
            ),
        ));
    }
    Ok(())
}
