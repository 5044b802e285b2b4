//! Which fragments there are, by time and by tag, a page at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_aws::video::Error;
use afflux_aws::video::input::{FragmentSelector, ListFragmentsInput};
use afflux_aws::video::output::{Fragment, FragmentTag, ListFragmentsOutput};
use afflux_aws::video::values::FragmentSelectorType;
use afflux_media::{StoredFragment, Tag};
use afflux_types::{FragmentNumber, Position};

use crate::context::{Context, service_error};
use crate::library::{self, Found, Selector, TimeAxis};
use crate::page::Query;

/// Fragments in a page whose request does not say.
const PAGE: u32 = 100;
/// What paging tokens are sealed as.
const LABEL: &str = "fragments";

/// A page of fragments, in the order in which they arrived.
pub(crate) async fn list_fragments(
    ctx: &Arc<Context>,
    input: ListFragmentsInput,
) -> Result<ListFragmentsOutput, Error> {
    let known = ctx.readable(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let selector = match &input.fragment_selector {
        Some(selector) => between(selector)?,
        None => Selector::ALL,
    };
    let tags = input.fragment_tags.unwrap_or_default();
    let asked = format!("{selector:?} {tags:?}");
    let query = Query::new(LABEL, &[&known.stream.id.to_be_bytes(), asked.as_bytes()]);
    let from = match input.next_token.as_deref() {
        Some(token) => query.open(ctx, token)?,
        None => Position::ZERO,
    };
    let shard = library::open(ctx, &known.stream.name).await?;
    let recording = ctx.library.of(&known.stream.name);
    let limit = input.max_results.unwrap_or(PAGE);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = async {
        let mut search = recording.search(&shard, selector, from).await?;
        let mut page = Page::default();
        while let Some(found) = search.next().await? {
            let own = StoredFragment::decode(found.entry.body())?.tags();
            if !has_tags(&own, &tags) {
                continue;
            }
            if page.fragments.len() == limit {
                page.next = position(&found);
                break;
            }
            page.fragments.extend(fragment(&found, &own));
        }
        Ok(page)
    };
    let page = page.await.map_err(|error| service_error(&error))?;
    Ok(ListFragmentsOutput {
        fragments: page.fragments,
        next_token: page.next.map(|position| query.seal(ctx, position)),
    })
}

#[derive(Debug, Default)]
struct Page {
    fragments: Vec<Fragment>,
    next: Option<Position>,
}

/// What a selector of the service means, whose range holds its end.
pub(crate) fn between(selector: &FragmentSelector) -> Result<Selector, Error> {
    let range = &selector.timestamp_range;
    let to = range.end_timestamp.as_millis().saturating_add(1);
    let from = range.start_timestamp.as_millis();
    Selector::new(axis(selector.fragment_selector_type), from, to)
        .map_err(|error| service_error(&error))
}

/// Whose clock a selector means.
pub(crate) fn axis(kind: FragmentSelectorType) -> TimeAxis {
    match kind {
        FragmentSelectorType::ProducerTimestamp => TimeAxis::Producer,
        FragmentSelectorType::ServerTimestamp => TimeAxis::Server,
    }
}

fn position(found: &Found) -> Option<Position> {
    found.entry.header.stamp.map(|stamp| stamp.position)
}

/// Whether a fragment has every tag, with any value where none is asked for.
fn has_tags(tags: &[Tag], wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| {
        let mut same = tags.iter().filter(|tag| tag.name() == name);
        same.any(|tag| value.is_empty() || tag.value() == value)
    })
}

fn fragment(found: &Found, tags: &[Tag]) -> Option<Fragment> {
    let stamp = found.entry.header.stamp?;
    let tag = |tag: &Tag| FragmentTag {
        name: tag.name().to_owned(),
        value: tag.value().to_owned(),
    };
    Some(Fragment {
        fragment_number: FragmentNumber::new(stamp.position, stamp.arrival).to_string(),
        fragment_size_in_bytes: found.meta.bytes,
        producer_timestamp: found.meta.producer_time,
        server_timestamp: stamp.arrival,
        fragment_length_in_milliseconds: u64::from(found.meta.duration_ms),
        tags: (!tags.is_empty()).then(|| tags.iter().map(tag).collect()),
    })
}

#[cfg(test)]
mod tests;
