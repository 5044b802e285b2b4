//! The forms of text that this service model asks for beside those of [`validate`](crate::validate).

use crate::validate::pattern::{
    DIGITS, NAME, Pattern, all, is_broken, is_name, is_solid, is_tag_text,
};

/// Names of delivery streams.
pub(super) const STREAM_NAME: Pattern = NAME;

/// Versions of a delivery stream.
pub(super) const VERSION: Pattern = Pattern::new("[0-9]+", |text| DIGITS.matches(text));

/// Ids of destinations.
pub(super) const DESTINATION_ID: Pattern = Pattern::new("[a-zA-Z0-9-]+", |text| {
    all(text, |b| b.is_ascii_alphanumeric() || b == b'-')
});

/// Anything within one line.
pub(super) const LINE: Pattern = Pattern::new(".*", |text| !is_broken(text));

/// A line with more than white space.
pub(super) const TEXT: Pattern = Pattern::new(r"^(?!\s*$).+", |text| {
    !is_broken(text) && text.bytes().any(|b| !is_space(b))
});

/// Text without white space.
pub(super) const SOLID: Pattern = Pattern::new(r"^\S+$", is_solid);

/// ARNs of data streams.
pub(super) const KINESIS_STREAM_ARN: Pattern = Pattern::new(
    r"arn:.*:kinesis:[a-zA-Z0-9\-]+:\d{12}:stream/[a-zA-Z0-9_.-]+",
    |text| {
        let name = regional(text, "kinesis").and_then(|resource| resource.strip_prefix("stream/"));
        name.is_some_and(|name| all(name, is_name))
    },
);

/// ARNs of roles.
pub(super) const ROLE_ARN: Pattern = Pattern::new(
    r"arn:.*:iam::\d{12}:role/[a-zA-Z_0-9+=,.@\-_/]+",
    |text| match arn(text, "iam") {
        Some(["", account, resource]) => is_account(account) && is_path(resource, &["role/"]),
        _ => false,
    },
);

/// ARNs of master keys and their aliases.
pub(super) const KEY_OR_ALIAS_ARN: Pattern = Pattern::new(
    r"arn:.*:kms:[a-zA-Z0-9\-]+:\d{12}:(key|alias)/[a-zA-Z_0-9+=,.@\-_/]+",
    |text| regional(text, "kms").is_some_and(|resource| is_path(resource, &["key/", "alias/"])),
);

/// ARNs of master keys.
pub(super) const KEY_ARN: Pattern = Pattern::new(
    r"arn:.*:kms:[a-zA-Z0-9\-]+:\d{12}:key/[a-zA-Z_0-9+=,.@\-_/]+",
    |text| regional(text, "kms").is_some_and(|resource| is_path(resource, &["key/"])),
);

/// ARNs of secrets.
pub(super) const SECRET_ARN: Pattern = Pattern::new(
    r"arn:.*:secretsmanager:[a-zA-Z0-9\-]+:\d{12}:secret:[a-zA-Z0-9\-/_+=.@!]+",
    |text| {
        let Some((secret, name)) = text.rsplit_once(':') else {
            return false;
        };
        let is_named = |b: u8| b.is_ascii_alphanumeric() || b"-/_+=.@!".contains(&b);
        regional(secret, "secretsmanager") == Some("secret") && all(name, is_named)
    },
);

/// ARNs of buckets.
pub(super) const BUCKET_ARN: Pattern =
    Pattern::new(r"arn:.*:s3:::[\w\.\-]{1,255}", |text| {
        match arn(text, "s3") {
            Some(["", "", bucket]) => bucket.len() <= 255 && all(bucket, is_name),
            _ => false,
        }
    });

/// Names of time zones, or nothing.
pub(super) const TIME_ZONE: Pattern = Pattern::new("^$|[a-zA-Z/_]+", |text| {
    text.bytes()
        .all(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'_'))
});

/// What names of objects end with, or nothing.
pub(super) const FILE_EXTENSION: Pattern = Pattern::new(r"^$|\.[0-9a-z!\-_.*'()]+", |text| {
    let allowed = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || b"!-_.*'()".contains(&b);
    text.is_empty()
        || text
            .strip_prefix('.')
            .is_some_and(|rest| all(rest, allowed))
});

/// Names of groups of logs.
pub(super) const LOG_GROUP: Pattern = Pattern::new(r"[\.\-_/#A-Za-z0-9]*", |text| {
    text.bytes().all(|b| is_name(b) || matches!(b, b'/' | b'#'))
});

/// Names of logs.
pub(super) const LOG_STREAM: Pattern = Pattern::new("[^:*]*", |text| !text.contains([':', '*']));

/// Addresses of endpoints.
pub(super) const HTTPS_URL: Pattern = Pattern::new("https://.*", |text| {
    text.strip_prefix("https://")
        .is_some_and(|rest| !is_broken(rest))
});

/// Addresses of clusters.
pub(super) const CLUSTER_URL: Pattern = Pattern::new("https:.*", |text| {
    text.strip_prefix("https:")
        .is_some_and(|rest| !is_broken(rest))
});

/// ARNs of domains of clusters.
pub(super) const DOMAIN_ARN: Pattern = Pattern::new(
    r"arn:.*:es:[a-zA-Z0-9\-]+:\d{12}:domain/[a-z][-0-9a-z]{2,27}",
    |text| {
        let name = regional(text, "es").and_then(|resource| resource.strip_prefix("domain/"));
        let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        name.is_some_and(|name| {
            (3..=28).contains(&name.len())
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && all(name, is_inner)
        })
    },
);

/// ARNs of catalogs of tables.
pub(super) const CATALOG_ARN: Pattern = Pattern::new(
    r"arn:.*:glue:.*:\d{12}:catalog(?:(/[a-z0-9_-]+){1,2})?",
    |text| {
        let Some((rest, resource)) = text.rsplit_once(':') else {
            return false;
        };
        let Some((rest, account)) = rest.rsplit_once(':') else {
            return false;
        };
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        let mut parts = resource.split('/');
        let is_catalog = parts.next() == Some("catalog");
        let is_named = parts.clone().count() <= 2 && parts.all(|part| all(part, allowed));
        let service = rest
            .strip_prefix("arn:")
            .and_then(|rest| rest.find(":glue:"));
        is_catalog && is_named && is_account(account) && service.is_some() && !is_broken(rest)
    },
);

/// Where the tables of a database are.
pub(super) const WAREHOUSE: Pattern = Pattern::new("s3://.*", |text| {
    text.strip_prefix("s3://")
        .is_some_and(|rest| !is_broken(rest))
});

/// Names of tables and of their databases.
pub(super) const TABLE_NAME: Pattern = Pattern::new(r"[a-zA-Z0-9\.\_]+", |text| {
    all(text, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_')
    })
});

/// Keys of tags.
pub(super) const TAG_KEY: Pattern =
    Pattern::new(r"^(?!aws:)[\p{L}\p{Z}\p{N}_.:\/=+\-@%]*$", |text| {
        !text.starts_with("aws:") && TAG_VALUE.matches(text)
    });

/// Values of tags.
pub(super) const TAG_VALUE: Pattern = Pattern::new(r"^[\p{L}\p{Z}\p{N}_.:\/=+\-@%]*$", |text| {
    text.chars().all(|c| is_tag_text(c) || c == '%')
});

/// What `\s` accepts.
fn is_space(b: u8) -> bool {
    matches!(b, b' ' | 0x09..=0x0d)
}

/// Region, account and resource of `arn:.*:SERVICE:REGION:ACCOUNT:RESOURCE`, none of which holds a colon.
fn arn<'t>(text: &'t str, service: &str) -> Option<[&'t str; 3]> {
    let (rest, resource) = text.rsplit_once(':')?;
    let (rest, account) = rest.rsplit_once(':')?;
    let (rest, region) = rest.rsplit_once(':')?;
    let (rest, found) = rest.rsplit_once(':')?;
    let partition = rest.strip_prefix("arn:")?;
    (found == service && !is_broken(partition)).then_some([region, account, resource])
}

/// The resource of [`arn`], if its region and account are sound.
fn regional<'t>(text: &'t str, service: &str) -> Option<&'t str> {
    let [region, account, resource] = arn(text, service)?;
    (DESTINATION_ID.matches(region) && is_account(account)).then_some(resource)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// One of `kinds` and a path.
fn is_path(resource: &str, kinds: &[&str]) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&b);
    kinds
        .iter()
        .filter_map(|kind| resource.strip_prefix(kind))
        .any(|path| all(path, allowed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::validate::tests::agree;

    proptest! {
        #[test]
        fn simple_patterns_match_what_their_expressions_match(text in "[a-z0-9.:/#*_ %-]{0,4}|https:/{0,2}[a:\n]{0,3}|[a-zA-Z/_+]{0,4}|\\PC{0,3}|[\t\n\r\u{85} a]{0,3}") {
            for pattern in [
                &STREAM_NAME, &VERSION, &DESTINATION_ID, &LINE, &SOLID, &TIME_ZONE, &LOG_GROUP,
                &LOG_STREAM, &HTTPS_URL, &CLUSTER_URL, &TABLE_NAME,
            ] {
                agree(pattern, &text);
            }
        }

        #[test]
        fn arn_patterns_match_what_their_expressions_match(text in "(arn:){0,2}(aws|:|aws-cn|\n)?(:kinesis:|:iam:|:kms:|:s3:|:secretsmanager:|:es:|:glue:){0,2}(us-1|:|\n)?(:[0-9]{11,12}:|:|::){0,2}(stream/|role/|key/|alias/|secret:|domain/|catalog|/){0,2}(a|b.c|!|\\+|/|\u{85}|:){0,3}") {
            for pattern in [
                &KINESIS_STREAM_ARN, &ROLE_ARN, &KEY_OR_ALIAS_ARN, &KEY_ARN, &SECRET_ARN, &BUCKET_ARN,
                &DOMAIN_ARN, &CATALOG_ARN,
            ] {
                agree(pattern, &text);
            }
        }
    }

    #[test]
    fn arns_of_the_services_match() {
        for (pattern, text) in [
            (
                &KINESIS_STREAM_ARN,
                "arn:aws:kinesis:us-east-1:123456789012:stream/a.b",
            ),
            (
                &ROLE_ARN,
                "arn:aws:iam::123456789012:role/service-role/to_s3",
            ),
            (&KEY_ARN, "arn:aws:kms:us-east-1:123456789012:key/1234-abcd"),
            (
                &KEY_OR_ALIAS_ARN,
                "arn:aws-cn:kms:cn-north-1:123456789012:alias/a/b",
            ),
            (
                &SECRET_ARN,
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:a/b-1!",
            ),
            (&BUCKET_ARN, "arn:aws:s3:::the.lake-1"),
            (
                &DOMAIN_ARN,
                "arn:aws:es:us-east-1:123456789012:domain/a-28-characters-long-domain1",
            ),
            (
                &CATALOG_ARN,
                "arn:aws:glue:us-east-1:123456789012:catalog/s3tablescatalog/a_b-1",
            ),
            (&CATALOG_ARN, "arn:aws:glue:us-east-1:123456789012:catalog"),
        ] {
            assert!(pattern.matches(text), "{pattern:?} {text}");
            agree(pattern, text);
        }
    }

    // The engine of the reference cannot look ahead, and the reference takes `.*` for what it is not
    // among the characters of an extension.
    #[test]
    fn other_patterns_are_told_by_examples() {
        for (pattern, text, matches) in [
            (&FILE_EXTENSION, "", true),
            (&FILE_EXTENSION, ".json.gz", true),
            (&FILE_EXTENSION, ".*'(a)'!-_1", true),
            (&FILE_EXTENSION, ".", false),
            (&FILE_EXTENSION, "json", false),
            (&FILE_EXTENSION, ".Json", false),
            (&FILE_EXTENSION, ".a/b", false),
            (&TEXT, "a", true),
            (&TEXT, " a ", true),
            (&TEXT, "\u{a0}", true),
            (&TEXT, "", false),
            (&TEXT, " \t", false),
            (&TEXT, "a\nb", false),
            (&TAG_KEY, "", true),
            (&TAG_KEY, "aws", true),
            (&TAG_KEY, "Aws:x", true),
            (&TAG_KEY, "aws:x", false),
            (&TAG_KEY, "50 %/é", true),
            (&TAG_KEY, "a*", false),
            (&TAG_VALUE, "aws:x%", true),
            (&TAG_VALUE, "a\nb", false),
        ] {
            assert_eq!(pattern.matches(text), matches, "{pattern:?} {text:?}");
        }
    }
}
