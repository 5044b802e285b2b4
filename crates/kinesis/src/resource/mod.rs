//! What streams and consumers have in common: tags and policies, found by ARN.

mod kept;
mod policy;
pub(crate) mod tags;

pub(crate) use kept::Kept;
pub(crate) use policy::{delete_policy, get_policy, policy_of, put_policy};
pub(crate) use tags::{add_tags, list_tags, remove_tags, resource_tags, tag, untag};

use std::collections::BTreeMap;

use afflux_aws::kinesis::Error;
use afflux_aws::kinesis::arn::ResourceArn;
use afflux_engine::ConsumerDescription;

use crate::context::{Context, Known};

/// A stream or consumer that exists.
enum Resource {
    Stream(Known),
    Consumer(Known, ConsumerDescription),
}

/// What a resource carries.
struct Carried<'a> {
    tags: &'a mut BTreeMap<String, String>,
    policy: &'a mut Option<Kept>,
}

impl Resource {
    fn find(to: &Context, arn: &ResourceArn) -> Result<Self, Error> {
        match arn {
            ResourceArn::Stream(arn) => to.known(&arn.stream).map(Self::Stream),
            ResourceArn::Consumer(arn) => {
                let (known, consumer) = to.consumer(arn)?;
                Ok(Self::Consumer(known, consumer))
            }
        }
    }

    fn tags(&self, to: &Context) -> BTreeMap<String, String> {
        match self {
            Self::Stream(known) => known.attributes.tags.clone(),
            Self::Consumer(known, consumer) => {
                to.book.of_consumer(&known.stream, consumer).tags.clone()
            }
        }
    }

    fn policy(&self, to: &Context) -> Option<Kept> {
        match self {
            Self::Stream(known) => known.attributes.policy.clone(),
            Self::Consumer(known, consumer) => {
                to.book.of_consumer(&known.stream, consumer).policy.clone()
            }
        }
    }

    async fn change(
        &self,
        to: &Context,
        change: impl FnOnce(Carried<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self {
            Self::Stream(known) => {
                let changed = to.book.change(&known.stream, |attributes| {
                    change(Carried {
                        tags: &mut attributes.tags,
                        policy: &mut attributes.policy,
                    })
                });
                changed.await
            }
            Self::Consumer(known, consumer) => {
                let changed = to
                    .book
                    .change_consumer(&known.stream, consumer, |attributes| {
                        change(Carried {
                            tags: &mut attributes.tags,
                            policy: &mut attributes.policy,
                        })
                    });
                changed.await
            }
        }
    }
}
