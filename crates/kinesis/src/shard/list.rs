//! `ListShards`, page by page.

use afflux_aws::kinesis::input::ListShardsInput;
use afflux_aws::kinesis::output::ListShardsOutput;
use afflux_aws::kinesis::token::Page;
use afflux_aws::kinesis::{Code, Error, Operation};
use afflux_types::{ServerTime, ShardId};

use super::filter::Filter;
use super::{describe_shard, shard_id};
use crate::context::{Context, Known};
use crate::stream::page_size;

/// Shards in one answer.
const SHARDS_MAX: usize = 1_000;

/// What a page is of.
struct Asked {
    known: Known,
    filter: Filter,
    after: Option<ShardId>,
}

/// `ListShards`: in the order of the ids.
pub(crate) fn list(to: &Context, input: &ListShardsInput) -> Result<ListShardsOutput, Error> {
    let asked = match &input.next_token {
        Some(token) => next(to, input, token)?,
        None => first(to, input)?,
    };
    let Asked {
        known,
        filter,
        after,
    } = asked;
    let limit = page_size(input.max_results, SHARDS_MAX);
    let mut shards = filter
        .apply(&known, to.now())
        .into_iter()
        .filter(|shard| after.is_none_or(|after| shard.id > after));
    let page: Vec<_> = shards.by_ref().take(limit).collect();
    let last = page.last().filter(|_| shards.next().is_some());
    Ok(ListShardsOutput {
        next_token: last.map(|last| {
            to.sealer.seal_page(&Page {
                operation: Operation::ListShards,
                scope: scope(&known),
                after: last.id.to_string(),
                filter: filter.to_text(),
                created: to.now(),
            })
        }),
        shards: page
            .into_iter()
            .map(|shard| describe_shard(&known, shard))
            .collect(),
    })
}

fn first(to: &Context, input: &ListShardsInput) -> Result<Asked, Error> {
    if input.stream_name.is_none() && input.stream_arn.is_none() {
        return Err(invalid(
            "Either NextToken or StreamName should be provided.",
        ));
    }
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_created(to, &known, input.stream_creation_timestamp)?;
    let filter = match &input.shard_filter {
        Some(filter) => Filter::new(to, &known, filter)?,
        None => Filter::FromTrimHorizon,
    };
    let after = input
        .exclusive_start_shard_id
        .as_deref()
        .map(|id| shard_id(to, &known, id))
        .transpose()?;
    Ok(Asked {
        known,
        filter,
        after,
    })
}

fn next(to: &Context, input: &ListShardsInput, token: &str) -> Result<Asked, Error> {
    let excluded = [
        ("StreamName", input.stream_name.is_some()),
        (
            "StreamCreationTimestamp",
            input.stream_creation_timestamp.is_some(),
        ),
        (
            "ExclusiveStartShardId",
            input.exclusive_start_shard_id.is_some(),
        ),
    ];
    check_excluded(&excluded)?;
    let page = to
        .sealer
        .open_page(token, Operation::ListShards, to.now())?;
    let (id, name) = page.scope.split_once('/').ok_or_else(invalid_token)?;
    if let Some(arn) = input.stream_arn.as_deref() {
        to.name(Some(name), Some(arn))?;
    }
    let known = to.stream(Some(name), None)?;
    if id != known.stream.id.to_string() {
        return Err(to.no_stream(name));
    }
    Ok(Asked {
        filter: Filter::from_text(&page.filter).ok_or_else(invalid_token)?,
        after: Some(page.after.parse().map_err(|_| invalid_token())?),
        known,
    })
}

/// Refuses what may not stand beside a paging token.
pub(crate) fn check_excluded(members: &[(&str, bool)]) -> Result<(), Error> {
    match members.iter().find(|(_, given)| *given) {
        Some((member, _)) => Err(Error::new(
            Code::InvalidArgument,
            format!("NextToken and {member} cannot be provided together."),
        )),
        None => Ok(()),
    }
}

/// Refuses a stream that has the name, but was made at another time.
pub(crate) fn check_created(
    to: &Context,
    known: &Known,
    created: Option<ServerTime>,
) -> Result<(), Error> {
    let seconds = |time: ServerTime| time.as_millis().div_euclid(1_000);
    let stream = &known.stream;
    // Clients cut times off to whole seconds.
    if created.is_none_or(|created| seconds(created) == seconds(stream.created)) {
        return Ok(());
    }
    Err(to.no_stream(stream.name.as_str()))
}

fn scope(known: &Known) -> String {
    format!("{}/{}", known.stream.id, known.stream.name)
}

fn invalid_token() -> Error {
    invalid("Invalid NextToken.")
}

fn invalid(text: &'static str) -> Error {
    Error::new(Code::InvalidArgument, text)
}
