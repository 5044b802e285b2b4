//! Policies that resources carry. Here they are kept; who asks decides by them.

use afflux_aws::kinesis::arn::ResourceArn;
use afflux_aws::kinesis::input::{
    DeleteResourcePolicyInput, GetResourcePolicyInput, PutResourcePolicyInput,
};
use afflux_aws::kinesis::output::GetResourcePolicyOutput;
use afflux_aws::kinesis::{Code, Error};
use serde_json::Value;

use super::Resource;
use crate::context::Context;

/// Bytes of a policy, as for every policy of a resource at AWS.
const POLICY_BYTES_MAX: usize = 20_480;
/// What a resource without a policy has.
const NO_POLICY: &str = "{}";

/// `PutResourcePolicy`.
pub(crate) async fn put_policy(to: &Context, input: PutResourcePolicyInput) -> Result<(), Error> {
    let resource = Resource::find(to, &input.resource_arn.parse()?)?;
    check(&input.policy)?;
    let change = resource.change(to, |carried| {
        *carried.policy = Some(input.policy);
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
    Ok(GetResourcePolicyOutput {
        policy: policy.unwrap_or_else(|| NO_POLICY.to_owned()),
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

/// The policy of a resource; `None` if it has none, or does not exist.
pub(crate) fn policy_of(to: &Context, arn: &ResourceArn) -> Option<String> {
    Resource::find(to, arn).ok()?.policy(to)
}

/// Whether the text can be a policy.
fn check(policy: &str) -> Result<(), Error> {
    let refuse = |text: String| Err(Error::new(Code::InvalidArgument, text));
    if policy.len() > POLICY_BYTES_MAX {
        return refuse(format!(
            "The policy has {} bytes. Limit: {POLICY_BYTES_MAX}.",
            policy.len()
        ));
    }
    let statements = serde_json::from_str::<Value>(policy)
        .ok()
        .and_then(|policy| policy.get("Statement").cloned());
    let sound = |statement: &Value| {
        let effect = statement.get("Effect").and_then(Value::as_str);
        let some = |member| statement.get(member).is_some();
        matches!(effect, Some("Allow" | "Deny"))
            && (some("Principal") || some("NotPrincipal"))
            && (some("Action") || some("NotAction"))
    };
    let sound = match &statements {
        Some(Value::Array(statements)) => !statements.is_empty() && statements.iter().all(sound),
        Some(one) => sound(one),
        None => false,
    };
    if sound {
        return Ok(());
    }
    refuse(
        "The policy is malformed: it must be JSON with Statements, each with an Effect, a Principal \
         and an Action."
            .to_owned(),
    )
}
