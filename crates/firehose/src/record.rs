//! `PutRecord` and `PutRecordBatch`: into the stream in which records wait, answered for once durable.
//!
//! The records of a request are one entry of the stream's only shard: they are taken all or none.

use afflux_aws::firehose::input::{BATCH_BYTES_MAX, PutRecordBatchInput, PutRecordInput, Record};
use afflux_aws::firehose::output::{
    PutRecordBatchOutput, PutRecordBatchResponseEntry, PutRecordOutput,
};
use afflux_aws::firehose::{Code, Error};
use afflux_deliver::DeliverySource;
use afflux_engine::Accepted;
use afflux_entry::{NewRecord, batch_in_pieces};
use afflux_types::{DeliveryName, ErrorKind, ShardId};

use crate::context::{Context, buffer, invalid};

/// `PutRecord`.
pub(crate) async fn put_record(
    to: &Context,
    input: PutRecordInput,
) -> Result<PutRecordOutput, Error> {
    let name = to.name(&input.delivery_stream_name)?;
    let taken = take(to, &name, std::slice::from_ref(&input.record)).await?;
    Ok(PutRecordOutput {
        record_id: taken.record_id(0),
        encrypted: Some(taken.encrypted),
    })
}

/// `PutRecordBatch`.
pub(crate) async fn put_record_batch(
    to: &Context,
    input: PutRecordBatchInput,
) -> Result<PutRecordBatchOutput, Error> {
    let bytes: usize = input.records.iter().map(|record| record.data.len()).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(invalid("Records size exceeds 4 MB limit"));
    }
    let name = to.name(&input.delivery_stream_name)?;
    let taken = take(to, &name, &input.records).await?;
    let places = (0_u64..).zip(&input.records);
    Ok(PutRecordBatchOutput {
        failed_put_count: 0,
        encrypted: Some(taken.encrypted),
        request_responses: places
            .map(|(place, _)| PutRecordBatchResponseEntry::accepted(taken.record_id(place)))
            .collect(),
    })
}

/// Records that were taken.
struct Taken {
    stream_id: u64,
    accepted: Accepted,
    encrypted: bool,
}

/// Takes records in, once they are durable.
async fn take(to: &Context, name: &DeliveryName, records: &[Record]) -> Result<Taken, Error> {
    let source = to.deliveries.source(name);
    if source.map_err(|error| to.failed(name, &error))? != DeliverySource::Direct {
        // The service's own words.
        return Err(invalid(
            "This operation is not permitted on KinesisStreamAsSource delivery stream type.",
        ));
    }
    let taken = append(to, name, records).await;
    taken.map_err(|error| match error.kind() {
        ErrorKind::Unavailable if afflux_engine::KeyFault::of(&error).is_none() => Error::new(
            Code::ServiceUnavailable,
            "The server cannot take records now; retry later.",
        ),
        _ => to.failed(name, &error),
    })
}

async fn append(
    to: &Context,
    name: &DeliveryName,
    records: &[Record],
) -> afflux_types::Result<Taken> {
    let shard = to.buffers.shard(&buffer(name), ShardId::new(0)).await?;
    let records = records
        .iter()
        .map(|record| NewRecord::keyless(&record.data));
    let (header, body) = batch_in_pieces(records);
    let accepted = shard.append(header, body).await?;
    shard.wait_accepted(&accepted).await?;
    Ok(Taken {
        stream_id: shard.stream_id(),
        accepted,
        encrypted: shard.is_encrypted(),
    })
}

impl Taken {
    /// Names the record at a place of the request, as no other is ever named.
    fn record_id(&self, place: u64) -> String {
        let Self {
            stream_id,
            accepted,
            ..
        } = self;
        let position = accepted.position.advance(place).get();
        let arrival = accepted.arrival.as_millis();
        format!("{stream_id:016x}{position:016x}{arrival:016x}")
    }
}
