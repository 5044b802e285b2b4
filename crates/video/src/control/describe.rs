//! What streams are, to those who ask, and where their media is.

use afflux_aws::token::{take, take_text, take_time, write_text};
use afflux_aws::video::input::{DescribeStreamInput, GetDataEndpointInput, ListStreamsInput};
use afflux_aws::video::output::{
    DescribeStreamOutput, GetDataEndpointOutput, ListStreamsOutput, StreamInfo,
};
use afflux_aws::video::values::Status;
use afflux_aws::video::{Code, Error};
use afflux_engine::StreamKind;
use afflux_types::{ServerTime, StreamName};
use base64_simd::STANDARD;

use crate::context::{Context, Known};

/// Streams of a page that names no number.
const PAGE_DEFAULT: u32 = 10_000;
/// How long a paging token is good, as in Kinesis Data Streams.
const TOKEN_MILLIS: u128 = 300_000;
const LABEL: &str = "streams";

/// `DescribeStream`.
pub(crate) fn describe(
    to: &Context,
    input: &DescribeStreamInput,
) -> Result<DescribeStreamOutput, Error> {
    let known = to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    Ok(DescribeStreamOutput {
        stream_info: info(to, &known),
    })
}

/// `ListStreams`: in the order of their names.
pub(crate) fn list(to: &Context, input: &ListStreamsInput) -> Result<ListStreamsOutput, Error> {
    let condition = input.stream_name_condition.as_ref();
    let prefix = condition
        .and_then(|condition| condition.comparison_value.as_deref())
        .unwrap_or_default();
    let token = input
        .next_token
        .as_deref()
        .filter(|token| !token.is_empty());
    let after = token.map(|token| open(to, token, prefix)).transpose()?;
    let limit = input.max_results.unwrap_or(PAGE_DEFAULT);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut names = to
        .engine
        .list_streams(after.as_ref(), usize::MAX)
        .into_iter()
        .filter(|stream| stream.kind == StreamKind::Video)
        .map(|stream| stream.name)
        .filter(|name| name.as_str().starts_with(prefix))
        .peekable();
    let mut page = Vec::new();
    let mut last = None;
    while page.len() < limit
        && let Some(name) = names.next()
    {
        // A stream that was deleted meanwhile is not listed.
        page.extend(to.known(&name).ok().map(|known| info(to, &known)));
        last = Some(name);
    }
    let more = names.peek().is_some();
    Ok(ListStreamsOutput {
        stream_info_list: page,
        next_token: last.filter(|_| more).map(|name| seal(to, &name, prefix)),
    })
}

/// `GetDataEndpoint`: everything is at one.
pub(crate) fn data_endpoint(
    to: &Context,
    input: &GetDataEndpointInput,
    base: &str,
) -> Result<GetDataEndpointOutput, Error> {
    to.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    Ok(GetDataEndpointOutput {
        data_endpoint: base.to_owned(),
    })
}

fn info(to: &Context, known: &Known) -> StreamInfo {
    let Known { stream, attributes } = known;
    StreamInfo {
        device_name: attributes.device_name.clone(),
        stream_name: stream.name.to_string(),
        stream_arn: known.arn(to).to_string(),
        media_type: attributes.media_type.clone(),
        kms_key_id: stream.encryption.as_ref().map(|sealed| sealed.key.clone()),
        version: known.version(),
        status: Status::Active,
        creation_time: stream.created,
        data_retention_in_hours: known.retention_hours(),
    }
}

fn seal(to: &Context, after: &StreamName, prefix: &str) -> String {
    let mut content = to.now().as_millis().to_be_bytes().to_vec();
    write_text(&mut content, after.as_str());
    write_text(&mut content, prefix);
    STANDARD.encode_to_string(to.sealer.seal(LABEL, content))
}

/// The stream that a page begins after.
fn open(to: &Context, token: &str, prefix: &str) -> Result<StreamName, Error> {
    let invalid = || Error::new(Code::InvalidArgument, "Invalid NextToken.");
    let sealed = STANDARD.decode_to_vec(token).map_err(|_| invalid())?;
    let content = to.sealer.open(LABEL, &sealed).ok_or_else(invalid)?;
    let read = |mut content: &[u8]| {
        let content = &mut content;
        let made: ServerTime = take_time(content)?;
        let after: StreamName = take_text(content)?.parse().ok()?;
        let same = take_text(content)? == prefix;
        let _: &[u8; 8] = take(content)?;
        same.then_some((made, after))
    };
    let (made, after) = read(&content).ok_or_else(invalid)?;
    if to.now().since(made).as_millis() > TOKEN_MILLIS {
        return Err(Error::new(Code::InvalidArgument, "NextToken has expired."));
    }
    Ok(after)
}
