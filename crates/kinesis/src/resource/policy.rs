//! Policies that resources carry. Who admits a request asks [`policy_of`] for them.

use std::sync::Arc;

use afflux_aws::kinesis::arn::ResourceArn;
use afflux_aws::kinesis::input::{
    DeleteResourcePolicyInput, GetResourcePolicyInput, PutResourcePolicyInput,
};
use afflux_aws::kinesis::output::GetResourcePolicyOutput;
use afflux_aws::kinesis::{Code, Error, Operation};
use afflux_aws::policy::Policy;

use super::{Kept, Resource};
use crate::context::Context;

/// What a resource without a policy has.
const NO_POLICY: &str = "{}";

/// `PutResourcePolicy`.
pub(crate) async fn put_policy(to: &Context, input: PutResourcePolicyInput) -> Result<(), Error> {
    let arn = to.here(input.resource_arn.parse()?);
    let resource = Resource::find(to, &arn)?;
    let policy = Kept::read(input.policy, &arn)
        .map_err(|fault| Error::new(Code::InvalidArgument, format!("Invalid policy: {fault}.")))?;
    let change = resource.change(to, |carried| {
        *carried.policy = Some(policy);
        Ok(())
    });
    change.await
}

/// `GetResourcePolicy`.
pub(crate) fn get_policy(
    to: &Context,
    input: &GetResourcePolicyInput,
) -> Result<GetResourcePolicyOutput, Error> {
    let resource = Resource::find(to, &input.resource_arn.parse()?)?;
    let policy = resource.policy(to);
    let policy = policy.as_ref();
    Ok(GetResourcePolicyOutput {
        policy: policy.map_or(NO_POLICY, Kept::document).to_owned(),
    })
}

/// `DeleteResourcePolicy`.
pub(crate) async fn delete_policy(
    to: &Context,
    input: DeleteResourcePolicyInput,
) -> Result<(), Error> {
    let resource = Resource::find(to, &input.resource_arn.parse()?)?;
    let change = resource.change(to, |carried| match carried.policy.take() {
        Some(_) => Ok(()),
        None => Err(Error::new(
            Code::ResourceNotFound,
            format!(
                "No resource policy found for resource ARN {}.",
                input.resource_arn
            ),
        )),
    });
    change.await
}

/// The policy of a resource for an operation; none if the resource does not exist, has none, or one
/// cannot share the operation.
pub(crate) fn policy_of(
    to: &Context,
    arn: &ResourceArn,
    operation: Operation,
) -> Option<Arc<Policy>> {
    if !arn.shares().contains(&operation.name()) {
        return None;
    }
    let kept = match arn {
        // Every put and every read asks: without a look at the stream's shards.
        ResourceArn::Stream(stream) => {
            let id = to.engine.stream_id(&stream.stream).ok()?;
            to.book.policy_of(id)
        }
        ResourceArn::Consumer(_) => Resource::find(to, arn).ok()?.policy(to),
    };
    Some(kept?.policy(arn))
}
