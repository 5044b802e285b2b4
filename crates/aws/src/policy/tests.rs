use super::*;

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
const ACTIONS: &[&str] = &["GetRecords", "ListShards", "PutRecord", "PutRecords"];
const SUBJECT: Subject<'_> = Subject {
    service: "kinesis",
    resource: STREAM,
    actions: ACTIONS,
};
const ALICE: &str = r#"{"AWS":"arn:aws:iam::111122223333:user/alice"}"#;

fn parse(document: &str) -> Result<Policy, Fault> {
    Policy::parse(document, &SUBJECT)
}

/// A statement with the members that the text gives, and the usual ones for the rest.
fn statement(effect: &str, principal: &str, rest: &str) -> String {
    let element = |name: &str, usual: &str| {
        let there = ["", "Not"]
            .iter()
            .any(|not| rest.contains(&format!("\"{not}{name}\":")));
        if there {
            String::new()
        } else {
            format!(",\"{name}\":{usual}")
        }
    };
    let comma = if rest.is_empty() { "" } else { "," };
    format!(
        "{{\"Effect\":\"{effect}\",\"Principal\":{principal}{}{}{comma}{rest}}}",
        element("Action", "\"kinesis:*\""),
        element("Resource", &format!("\"{STREAM}\"")),
    )
}

fn document(statements: &[String]) -> String {
    let statements = statements.join(",");
    format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statements}]}}")
}

fn policy(statements: &[String]) -> Policy {
    let document = document(statements);
    parse(&document).unwrap_or_else(|fault| panic!("{document}: {fault}"))
}

fn alice() -> Principal {
    Principal::user("111122223333", "alice")
}

/// 2026-11-21T12:00:00Z, over TLS.
fn request(principal: &Principal) -> Request<'_> {
    Request {
        principal,
        address: "203.0.113.7".parse().unwrap(),
        encrypted: true,
        now: ServerTime::from_millis(1_795_262_400_000),
    }
}

fn decide(statements: &[String], operation: &str) -> Decision {
    policy(statements).decide(operation, &request(&alice()))
}

#[test]
fn principals_are_accounts_users_and_everybody() {
    use Decision::{Allowed, Delegated, Denied, Silent};
    for (principal, allow) in [
        (r#""*""#, Allowed),
        (r#"{"AWS":"*"}"#, Allowed),
        (ALICE, Allowed),
        (r#"{"AWS":"111122223333"}"#, Delegated),
        (r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, Delegated),
        (
            r#"{"AWS":["111122223333","arn:aws:iam::111122223333:user/alice"]}"#,
            Allowed,
        ),
        (
            r#"{"AWS":["444455556666","arn:aws:iam::111122223333:user/bob"]}"#,
            Silent,
        ),
        (r#"{"AWS":"arn:aws:iam::444455556666:user/alice"}"#, Silent),
        (r#"{"AWS":"arn:aws:iam::111122223333:user/Alice"}"#, Silent),
        (r#"{"AWS":"arn:aws:iam::111122223333:role/alice"}"#, Silent),
        (
            r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/alice/s"}"#,
            Silent,
        ),
    ] {
        let found = decide(&[statement("Allow", principal, "")], "PutRecord");
        assert_eq!(found, allow, "{principal}");
        let found = decide(&[statement("Deny", principal, "")], "PutRecord");
        let deny = if allow == Silent { Silent } else { Denied };
        assert_eq!(found, deny, "{principal}");
    }
}

#[test]
fn actions_are_a_service_and_a_pattern_in_any_case() {
    for (actions, put, get) in [
        (r#""Action":"kinesis:PutRecord""#, true, false),
        (r#""Action":"KINESIS:putrecord""#, true, false),
        (r#""Action":"kinesis:Put*""#, true, false),
        (r#""Action":"kinesis:PutRecord?""#, false, false),
        (
            r#""Action":["kinesis:Get*","kinesis:PutRecord"]"#,
            true,
            true,
        ),
        (r#""Action":"*""#, true, true),
        (r#""NotAction":"kinesis:Get*""#, true, false),
        (
            r#""NotAction":["kinesis:DeleteStream","kinesis:PutRecord"]"#,
            false,
            true,
        ),
        (r#""NotAction":"*""#, false, false),
    ] {
        let policy = policy(&[statement("Allow", ALICE, actions)]);
        let alice = alice();
        let allows = |name| policy.decide(name, &request(&alice)) == Decision::Allowed;
        let found = (allows("PutRecord"), allows("GetRecords"));
        assert_eq!(found, (put, get), "{actions}");
        assert!(
            !allows("DeleteStream"),
            "{actions} shares what is not shared"
        );
    }
}

#[test]
fn the_strongest_statement_decides() {
    let allow = statement("Allow", ALICE, "");
    let trust = statement("Allow", r#"{"AWS":"111122223333"}"#, "");
    let deny = statement("Deny", r#""*""#, r#""Action":"kinesis:Put*""#);
    let all = [deny, trust, allow];
    for (statements, put, get) in [
        (&all[..], Decision::Denied, Decision::Allowed),
        (&all[1..], Decision::Allowed, Decision::Allowed),
        (&all[..2], Decision::Denied, Decision::Delegated),
        (&all[..1], Decision::Denied, Decision::Silent),
    ] {
        assert_eq!(decide(statements, "PutRecord"), put);
        assert_eq!(decide(statements, "GetRecords"), get);
    }
}

#[test]
fn a_statement_must_be_about_what_carries_it() {
    let other = STREAM.replace("orders", "invoices");
    for (resource, right) in [
        (format!("\"Resource\":\"{STREAM}\""), true),
        (r#""Resource":"*""#.to_owned(), true),
        (
            r#""Resource":"arn:aws:kinesis:*:*:stream/ord?rs""#.to_owned(),
            true,
        ),
        (format!("\"Resource\":[\"{other}\",\"{STREAM}\"]"), true),
        (format!("\"NotResource\":\"{other}\""), true),
        (format!("\"Resource\":\"{other}\""), false),
        (format!("\"Resource\":\"{STREAM}/*\""), false),
        (format!("\"NotResource\":[\"{other}\",\"{STREAM}\"]"), false),
    ] {
        let parsed = parse(&document(&[statement("Allow", ALICE, &resource)]));
        assert_eq!(parsed.is_ok(), right, "{resource}");
        if let Err(fault) = parsed {
            assert!(matches!(fault, Fault::Resource { .. }), "{fault}");
        }
    }
}

/// Conditions, and whether they hold for [`request`] of [`alice`].
const CONDITIONS: &[(&str, bool)] = &[
    (r#"{}"#, true),
    (
        r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}"#,
        true,
    ),
    (
        r#"{"StringEquals":{"AWS:principalaccount":["1","111122223333"]}}"#,
        true,
    ),
    (
        r#"{"StringNotEquals":{"aws:PrincipalAccount":["1","111122223333"]}}"#,
        false,
    ),
    (
        r#"{"StringNotEquals":{"aws:PrincipalAccount":["1","2"]}}"#,
        true,
    ),
    (r#"{"StringEquals":{"aws:username":"Alice"}}"#, false),
    (
        r#"{"StringEqualsIgnoreCase":{"aws:username":"Alice"}}"#,
        true,
    ),
    (r#"{"StringLike":{"aws:username":"al*"}}"#, true),
    (r#"{"StringEquals":{"aws:username":"al*"}}"#, false),
    (r#"{"StringNotLike":{"aws:username":["b*","al*"]}}"#, false),
    (
        r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/alice"}}"#,
        true,
    ),
    (
        r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::*:user/alice"}}"#,
        true,
    ),
    (
        r#"{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/alice"}}"#,
        false,
    ),
    (r#"{"StringEqualsIfExists":{"aws:username":"alice"}}"#, true),
    (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, true),
    (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.7"}}"#, true),
    (
        r#"{"IpAddress":{"aws:SourceIp":"::ffff:203.0.113.0/120"}}"#,
        true,
    ),
    (
        r#"{"IpAddress":{"aws:SourceIp":["203.0.113.8/32","2001:db8::/32"]}}"#,
        false,
    ),
    (r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, true),
    (r#"{"IpAddress":{"aws:SourceIp":"::/0"}}"#, false),
    (
        r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/29"}}"#,
        false,
    ),
    (
        r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.8/29"}}"#,
        true,
    ),
    (r#"{"Bool":{"aws:SecureTransport":"true"}}"#, true),
    (r#"{"Bool":{"aws:SecureTransport":true}}"#, true),
    (r#"{"Bool":{"aws:SecureTransport":"false"}}"#, false),
    (
        r#"{"DateLessThan":{"aws:CurrentTime":"2026-11-21T12:00:00Z"}}"#,
        false,
    ),
    (
        r#"{"DateLessThanEquals":{"aws:CurrentTime":"2026-11-21T12:00:00Z"}}"#,
        true,
    ),
    (
        r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-11-21T11:59:59Z"}}"#,
        true,
    ),
    (
        r#"{"DateGreaterThanEquals":{"aws:CurrentTime":1795262401}}"#,
        false,
    ),
    (
        r#"{"StringLike":{"aws:username":"*"},"Bool":{"aws:SecureTransport":false}}"#,
        false,
    ),
    (
        r#"{"StringLike":{"aws:username":"*","aws:PrincipalAccount":"4*"}}"#,
        false,
    ),
];

#[test]
fn conditions_are_evaluated() {
    for (condition, holds) in CONDITIONS {
        let rest = format!("\"Condition\":{condition}");
        let found = decide(&[statement("Deny", r#""*""#, &rest)], "PutRecord");
        assert_eq!(found == Decision::Denied, *holds, "{condition}");
    }
}

#[test]
fn an_ipv4_address_in_an_ipv6_one_is_the_ipv4_address() {
    let rest = r#""Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#;
    let policy = policy(&[statement("Allow", ALICE, rest)]);
    let alice = alice();
    for (address, decision) in [
        ("::ffff:203.0.113.7", Decision::Allowed),
        ("::ffff:203.0.114.7", Decision::Silent),
        ("2001:db8::1", Decision::Silent),
    ] {
        let asked = Request {
            address: address.parse().unwrap(),
            ..request(&alice)
        };
        assert_eq!(policy.decide("PutRecord", &asked), decision, "{address}");
    }
}

#[test]
fn what_is_not_evaluated_is_refused() {
    let with = |principal: &str, rest: &str| document(&[statement("Allow", principal, rest)]);
    let condition = |text: &str| with(ALICE, &format!("\"Condition\":{text}"));
    for (document, says) in [
        (
            with(ALICE, r#""NotPrincipal":"*""#),
            "Statement 1: NotPrincipal is not supported",
        ),
        (
            with(r#"{"Service":"lambda.amazonaws.com"}"#, ""),
            "Principal.Service is not supported",
        ),
        (
            with(r#"{"Federated":"x"}"#, ""),
            "Principal.Federated is not supported",
        ),
        (
            with(r#"{"AWS":"arn:aws:iam::111122223333:user/*"}"#, ""),
            "is not a principal",
        ),
        (
            with(r#"{"AWS":"AIDACKCEVSQ6C2EXAMPLE"}"#, ""),
            "is not a principal",
        ),
        (with(r#"{"AWS":"11112222333"}"#, ""), "is not a principal"),
        (
            with(ALICE, r#""Action":"kinesis:DeleteStream""#),
            "shared: kinesis:GetRecords, ",
        ),
        (
            with(ALICE, r#""Action":"kinesis:Delete*""#),
            "none of the actions",
        ),
        (with(ALICE, r#""Action":"s3:*""#), "none of the actions"),
        (
            with(ALICE, r#""Action":"PutRecord""#),
            "none of the actions",
        ),
        (
            with(ALICE, r#""Action":"kin*:PutRecord""#),
            "none of the actions",
        ),
        (
            with(ALICE, r#""Action":"*","NotAction":"*""#),
            "NotAction stands beside its opposite",
        ),
        (
            with(ALICE, r#""Resource":"*","NotResource":"arn:x""#),
            "NotResource stands beside its opposite",
        ),
        (
            with(
                ALICE,
                r#""Resource":"arn:aws:kinesis:*:*:stream/${aws:username}""#,
            ),
            "variable",
        ),
        (with(ALICE, r#""Mood":"good""#), "Mood is not an element"),
        (
            condition(r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#),
            "of aws:SourceVpc is not supp",
        ),
        (
            condition(r#"{"StringEquals":{"aws:SourceIp":"1.2.3.4"}}"#),
            "StringEquals of aws:SourceIp",
        ),
        (
            condition(r#"{"Bool":{"aws:username":"true"}}"#),
            "not supported",
        ),
        (
            condition(r#"{"ArnLike":{"aws:username":"*"}}"#),
            "not supported",
        ),
        (
            condition(r#"{"NumericLessThan":{"aws:MultiFactorAuthAge":"1"}}"#),
            "not supported",
        ),
        (
            condition(r#"{"Null":{"aws:username":"true"}}"#),
            "not supported",
        ),
        (
            condition(r#"{"ForAnyValue:StringLike":{"aws:username":"*"}}"#),
            "not supported",
        ),
        (
            condition(r#"{"StringLike":{"aws:username":"${aws:x}"}}"#),
            "variable",
        ),
        (
            condition(r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/33"}}"#),
            "an address",
        ),
        (
            condition(r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/+3"}}"#),
            "an address",
        ),
        (
            condition(r#"{"Bool":{"aws:SecureTransport":"perhaps"}}"#),
            "true or false",
        ),
        (
            condition(r#"{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}"#),
            "a time such as",
        ),
        (
            condition(r#"{"StringLike":{"aws:username":[]}}"#),
            "a value or a list",
        ),
        (condition(r#"{"StringLike":"*"}"#), "an object of operators"),
    ] {
        let fault = parse(&document).unwrap_err().to_string();
        assert!(fault.contains(says), "{document}: {fault}");
    }
}

#[test]
fn what_is_no_policy_is_refused() {
    let good = statement("Allow", ALICE, "");
    let long = document(&[statement(
        "Allow",
        ALICE,
        &format!("\"Sid\":\"{}\"", "x".repeat(20_480)),
    )]);
    for (document, says) in [
        (String::new(), "is no JSON"),
        ("{".to_owned(), "is no JSON"),
        ("[]".to_owned(), "the policy must be a JSON object"),
        ("{}".to_owned(), "Statement is missing"),
        (r#"{"Statement":[]}"#.to_owned(), "Statement must be"),
        (
            r#"{"Statement":[3]}"#.to_owned(),
            "Statement 1 must be an object",
        ),
        (
            format!("{{\"Version\":\"2012\",\"Statement\":{good}}}"),
            "Version must be",
        ),
        (
            format!("{{\"Version\":2012,\"Statement\":{good}}}"),
            "Version must be",
        ),
        (format!("{{\"Id\":[],\"Statement\":{good}}}"), "Id must be"),
        (
            format!("{{\"Statements\":{good}}}"),
            "Statements is not an element",
        ),
        (
            format!("{{\"Statement\":{good},\"Statement\":{good}}}"),
            "stands twice",
        ),
        (long, "at most 20480 are allowed"),
        ("[".repeat(20_000), "is no JSON"),
    ] {
        let fault = parse(&document).unwrap_err().to_string();
        assert!(fault.contains(says), "{says}: {fault}");
    }
    let one = format!("{{\"Id\":\"i\",\"Statement\":{good}}}");
    assert!(parse(&one).is_ok(), "a single statement is an object");
}

#[test]
fn elements_that_are_missing_or_of_a_wrong_type_are_refused() {
    let good = statement("Allow", ALICE, "");
    let with = |principal: &str, rest: &str| document(&[statement("Allow", principal, rest)]);
    for (document, says) in [
        (
            document(&[good.replace("Allow", "Maybe")]),
            "Effect must be",
        ),
        (
            document(&[good.clone(), good.replace("Effect", "Sid")]),
            "Statement 2: Effect is missing",
        ),
        (
            document(&[good.replace("\"Principal\":", "\"Sid\":\"\",\"Sod\":")]),
            "Sod is not an",
        ),
        (with("[]", ""), "Principal must be"),
        (with("{}", ""), "Principal must be"),
        (with(r#"{"AWS":[]}"#, ""), "Principal.AWS must be"),
        (with(ALICE, r#""Action":[]"#), "Action must be"),
        (with(ALICE, r#""Resource":[3]"#), "Resource must be"),
    ] {
        let fault = parse(&document).unwrap_err().to_string();
        assert!(fault.contains(says), "{says}: {fault}");
    }
}

#[test]
fn a_closed_policy_denies_what_can_be_shared() {
    let policy = Policy::closed(ACTIONS);
    let alice = alice();
    assert_eq!(
        policy.decide("PutRecord", &request(&alice)),
        Decision::Denied
    );
    assert_eq!(
        policy.decide("DeleteStream", &request(&alice)),
        Decision::Silent
    );
}
