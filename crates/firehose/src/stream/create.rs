//! `CreateDeliveryStream` and `DeleteDeliveryStream`.

use afflux_aws::firehose::input::{CreateDeliveryStreamInput, DeleteDeliveryStreamInput};
use afflux_aws::firehose::output::CreateDeliveryStreamOutput;
use afflux_aws::firehose::values::DeliveryStreamType;
use afflux_aws::firehose::{Code, Destination, Error};
use afflux_aws::kinesis::arn::StreamArn;
use afflux_deliver::{DeliverySource, Start};
use afflux_engine::{NewStream, StreamKind};
use afflux_types::{DeliveryName, ErrorKind};

use super::encryption;
use crate::context::{Context, buffer, invalid, service_error};
use crate::document::Document;
use crate::{settings, tag};

/// `CreateDeliveryStream`: it delivers as soon as it is answered.
pub(crate) async fn create(
    to: &Context,
    input: CreateDeliveryStreamInput,
) -> Result<CreateDeliveryStreamOutput, Error> {
    let name = DeliveryName::new(&input.delivery_stream_name);
    let name = name.map_err(|error| service_error(&error))?;
    let source = source(to, &input)?;
    let key = match (&input.encryption, &source) {
        (None, _) => None,
        (Some(input), DeliverySource::Direct) => Some(encryption::key(input)?),
        (Some(_), _) => return Err(encryption::not_direct()),
    };
    let destination = Destination::of(&input)?;
    let settings = settings::of(&destination, source, &to.options.tables)?;
    let document = document(&input, &destination)?;
    let _changes = to.changes.lock().await;
    if to.deliveries.source(&name).is_ok() {
        return Err(in_use(to, &name));
    }
    check_limit(to)?;
    if let Some(key) = key {
        make_buffer(to, &name, key).await?;
    }
    let made = to.deliveries.create(&name, settings, document.write());
    match made.await {
        Ok(_) => Ok(CreateDeliveryStreamOutput {
            delivery_stream_arn: to.arn(&name).to_string(),
        }),
        Err(error) => {
            if key.is_some() {
                remove_buffer(to, &name).await;
            }
            match error.kind() {
                ErrorKind::InUse => Err(in_use(to, &name)),
                _ => Err(service_error(&error)),
            }
        }
    }
}

/// `DeleteDeliveryStream`. Nothing can stand in its way that would have to be forced.
pub(crate) async fn delete(to: &Context, input: &DeleteDeliveryStreamInput) -> Result<(), Error> {
    let name = to.name(&input.delivery_stream_name)?;
    let _changes = to.changes.lock().await;
    let deleted = to.deliveries.delete(&name).await;
    deleted.map_err(|error| to.failed(&name, &error))
}

/// Where the records of a new delivery stream come from.
fn source(to: &Context, input: &CreateDeliveryStreamInput) -> Result<DeliverySource, Error> {
    let kind = input.delivery_stream_type;
    let kind = kind.unwrap_or(DeliveryStreamType::DirectPut);
    let is_direct = kind == DeliveryStreamType::DirectPut;
    let given = [
        ("MSKSourceConfiguration", input.msk_source.is_some()),
        (
            "DatabaseSourceConfiguration",
            input.database_source.is_some(),
        ),
        (
            "KinesisStreamSourceConfiguration",
            is_direct && input.kinesis_stream_source.is_some(),
        ),
        (
            "DirectPutSourceConfiguration",
            !is_direct && input.direct_put_source.is_some(),
        ),
    ];
    let stray = given.into_iter().find(|(_, is_given)| *is_given);
    match (kind, stray) {
        (DeliveryStreamType::MskAsSource | DeliveryStreamType::DatabaseAsSource, _) => {
            Err(invalid(format!(
                "The DeliveryStreamType {kind} is not served by this server; DirectPut and \
                 KinesisStreamAsSource are."
            )))
        }
        (_, Some((stray, _))) => Err(invalid(format!(
            "{stray} does not go with the DeliveryStreamType {kind}."
        ))),
        (DeliveryStreamType::DirectPut, None) => Ok(DeliverySource::Direct),
        (DeliveryStreamType::KinesisStreamAsSource, None) => data_stream(to, input),
    }
}

/// The data stream of a request, which must be there.
fn data_stream(to: &Context, input: &CreateDeliveryStreamInput) -> Result<DeliverySource, Error> {
    let Some(given) = &input.kinesis_stream_source else {
        return Err(invalid(
            "KinesisStreamSourceConfiguration must be given for the DeliveryStreamType \
             KinesisStreamAsSource.",
        ));
    };
    let text = &given.kinesis_stream_arn;
    let arn: Result<StreamArn, _> = text.parse();
    let arn = arn.map_err(|error| invalid(error.to_string()))?;
    let (here, there) = (&to.options.place, &arn.place);
    if (&here.region, &here.account) != (&there.region, &there.account) {
        return Err(invalid(format!(
            "Stream {text} is not one of this server, whose region is {} and whose account is {}.",
            here.region, here.account
        )));
    }
    let stream = to.engine.describe_stream(&arn.stream);
    match stream.map(|stream| stream.kind) {
        Ok(StreamKind::Records) => Ok(DeliverySource::Stream {
            name: arn.stream.to_string(),
            from: Start::Latest,
            until: None,
        }),
        _ => Err(invalid(format!(
            "Stream {} under account {} not found.",
            arn.stream,
            to.account()
        ))),
    }
}

/// What is kept of a new delivery stream.
fn document(
    input: &CreateDeliveryStreamInput,
    destination: &Destination,
) -> Result<Document, Error> {
    let kinesis = input.kinesis_stream_source.as_ref();
    let direct = input.direct_put_source.as_ref();
    let mut document = Document::default().with_destination(destination);
    document.source_role_arn = kinesis.map(|given| given.role_arn.clone());
    document.throughput_hint_in_mbs = direct.map(|given| given.throughput_hint_in_mbs);
    let tags = input.tags.as_deref().unwrap_or_default();
    tag::extend(&mut document.tags, tags)?;
    Ok(document)
}

fn check_limit(to: &Context) -> Result<(), Error> {
    let limit = to.options.delivery_streams_max;
    if to.deliveries.count() < limit {
        return Ok(());
    }
    Err(Error::new(
        Code::LimitExceeded,
        format!("You have already consumed your firehose quota of {limit} hoses."),
    ))
}

/// Makes the stream in which records wait, encrypted before a record can be put into it. The delivery
/// takes it over; if the server ends before that, it removes the stream when it starts.
async fn make_buffer(to: &Context, name: &DeliveryName, key: &str) -> Result<(), Error> {
    let stream = buffer(name);
    let new = NewStream::new(stream.clone(), StreamKind::Delivery);
    let made = to.buffers.create_stream(new).await;
    made.map_err(|error| match error.kind() {
        // Another door makes or deletes a delivery stream of this name.
        ErrorKind::InUse => in_use(to, name),
        _ => service_error(&error),
    })?;
    let set = to.buffers.set_encryption(&stream, Some(key)).await;
    match set {
        Ok(()) => Ok(()),
        Err(error) => {
            remove_buffer(to, name).await;
            Err(service_error(&error))
        }
    }
}

async fn remove_buffer(to: &Context, name: &DeliveryName) {
    // Another door may have made the delivery stream meanwhile.
    if to.deliveries.source(name).is_ok() {
        return;
    }
    if let Err(error) = to.buffers.delete_stream(&buffer(name)).await {
        tracing::warn!(delivery = %name, error = %error.chain(), "a stream is left over until the next start");
    }
}

fn in_use(to: &Context, name: &DeliveryName) -> Error {
    let account = to.account();
    Error::new(
        Code::ResourceInUse,
        format!("Firehose {name} under accountId {account} already exists"),
    )
}
