//! What a request is about: the resource that policies and rates are for.

use afflux_aws::kinesis::arn::{ConsumerArn, ResourceArn};
use afflux_aws::kinesis::{Error, Operation, Request};
use afflux_types::{ConsumerName, StreamName};

use crate::context::Context;

/// How a request names what it is about.
enum About<'r> {
    /// Everything.
    All,
    /// A stream, by its name, its ARN, or both.
    Stream(Option<&'r str>, Option<&'r str>),
    /// A consumer, by its ARN, or by the ARN of its stream and its name.
    Consumer(Option<&'r str>, Option<&'r str>, Option<&'r str>),
    /// A stream or consumer, by its ARN.
    Resource(&'r str),
    /// A stream, by a paging token.
    Token(&'r str),
    /// A stream, by an iterator.
    Iterator(&'r str),
}

impl Context {
    /// The stream or consumer that a request is about, with our place in its ARN. It need not exist.
    pub(crate) fn resource_of(&self, request: &Request) -> Result<Option<ResourceArn>, Error> {
        let name = match about(request) {
            About::All => return Ok(None),
            About::Stream(name, arn) => self.name(name, arn)?,
            About::Resource(arn) => return Ok(Some(self.here(arn.parse()?))),
            About::Consumer(Some(arn), ..) => {
                let arn = ResourceArn::Consumer(arn.parse::<ConsumerArn>()?);
                return Ok(Some(self.here(arn)));
            }
            About::Consumer(None, stream, consumer) => {
                let stream = self.name(None, stream)?;
                let arn = consumer.and_then(|consumer| self.consumer_arn(&stream, consumer));
                if arn.is_some() {
                    return Ok(arn);
                }
                stream
            }
            About::Token(token) => {
                let page = self
                    .sealer
                    .open_page(token, Operation::ListShards, self.now())?;
                let name = page.scope.split_once('/').map(|(_, name)| name);
                self.name(name, None)?
            }
            About::Iterator(iterator) => self.sealer.open_iterator(iterator, self.now())?.stream,
        };
        Ok(Some(ResourceArn::Stream(self.arn(&name))))
    }

    /// Counts a call of a control operation.
    pub(crate) fn count_call(&self, request: &Request) -> Result<(), Error> {
        if !self.options.throttled {
            return Ok(());
        }
        // What is malformed is refused where it is used.
        let resource = self.resource_of(request).ok().flatten();
        let stream = resource
            .as_ref()
            .map(|resource| resource.stream().stream.as_str());
        let (operation, now) = (request.operation(), self.clock.elapsed());
        self.rates.take(operation, stream, self.account(), now)
    }

    fn consumer_arn(&self, stream: &StreamName, consumer: &str) -> Option<ResourceArn> {
        let known = self.known(stream).ok()?;
        let consumer = self
            .consumer_of(&known, &ConsumerName::new(consumer).ok()?)
            .ok()?;
        let arn = crate::consumer::arn(self, &known, &consumer);
        Some(ResourceArn::Consumer(arn))
    }

    /// The ARN with our place in it.
    pub(crate) fn here(&self, mut arn: ResourceArn) -> ResourceArn {
        let stream = match &mut arn {
            ResourceArn::Stream(stream) => stream,
            ResourceArn::Consumer(consumer) => &mut consumer.stream,
        };
        stream.place = self.options.place.clone();
        arn
    }
}

fn about(request: &Request) -> About<'_> {
    use Request as R;
    match request {
        R::CreateStream(i) => About::Stream(Some(&i.stream_name), None),
        R::UpdateStreamMode(i) => About::Stream(None, Some(&i.stream_arn)),
        R::UpdateMaxRecordSize(i) => stream(None, i.stream_arn.as_ref()),
        R::UpdateStreamRecordDistributionStrategy(i) => About::Stream(None, Some(&i.stream_arn)),
        R::RegisterStreamConsumer(i) => About::Stream(None, Some(&i.stream_arn)),
        R::ListStreamConsumers(i) => About::Stream(None, Some(&i.stream_arn)),
        R::AddTagsToStream(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::DecreaseStreamRetentionPeriod(i) => {
            stream(i.stream_name.as_ref(), i.stream_arn.as_ref())
        }
        R::DeleteStream(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::DescribeStream(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::DescribeStreamSummary(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::DisableEnhancedMonitoring(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::EnableEnhancedMonitoring(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::GetShardIterator(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::IncreaseStreamRetentionPeriod(i) => {
            stream(i.stream_name.as_ref(), i.stream_arn.as_ref())
        }
        R::ListTagsForStream(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::MergeShards(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::PutRecord(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::PutRecords(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::RemoveTagsFromStream(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::SplitShard(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::StartStreamEncryption(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::StopStreamEncryption(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::UpdateShardCount(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::UpdateStreamWarmThroughput(i) => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        R::ListShards(i) => match &i.next_token {
            Some(token) => About::Token(token),
            None => stream(i.stream_name.as_ref(), i.stream_arn.as_ref()),
        },
        R::GetRecords(i) => About::Iterator(&i.shard_iterator),
        R::SubscribeToShard(i) => About::Consumer(Some(&i.consumer_arn), None, None),
        R::DeregisterStreamConsumer(i) => About::Consumer(
            i.consumer_arn.as_deref(),
            i.stream_arn.as_deref(),
            i.consumer_name.as_deref(),
        ),
        R::DescribeStreamConsumer(i) => About::Consumer(
            i.consumer_arn.as_deref(),
            i.stream_arn.as_deref(),
            i.consumer_name.as_deref(),
        ),
        R::TagResource(i) => About::Resource(&i.resource_arn),
        R::UntagResource(i) => About::Resource(&i.resource_arn),
        R::ListTagsForResource(i) => About::Resource(&i.resource_arn),
        R::PutResourcePolicy(i) => About::Resource(&i.resource_arn),
        R::GetResourcePolicy(i) => About::Resource(&i.resource_arn),
        R::DeleteResourcePolicy(i) => About::Resource(&i.resource_arn),
        R::DescribeAccountSettings(_)
        | R::DescribeLimits(_)
        | R::ListStreams(_)
        | R::UpdateAccountSettings(_) => About::All,
    }
}

fn stream<'r>(name: Option<&'r String>, arn: Option<&'r String>) -> About<'r> {
    About::Stream(name.map(String::as_str), arn.map(String::as_str))
}
