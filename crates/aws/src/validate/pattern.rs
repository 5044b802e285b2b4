//! The forms of text that the service model asks for, as functions instead of regular expressions.
//!
//! Each [`Pattern`] carries the expression, which appears in the service's messages, and a function
//! that accepts the same texts in one pass. A test compares them with a regular expression engine.

use std::fmt;

/// A form that text must have as a whole.
#[derive(Clone, Copy)]
pub struct Pattern {
    text: &'static str,
    matches: fn(&str) -> bool,
}

impl Pattern {
    /// A form by its expression and by a function that accepts the same texts.
    pub(crate) const fn new(text: &'static str, matches: fn(&str) -> bool) -> Self {
        Self { text, matches }
    }

    /// The regular expression, as the service prints it.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        self.text
    }

    /// Whether all of `text` has the form.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        (self.matches)(text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// Names of streams and consumers, and shard ids.
pub const NAME: Pattern = Pattern {
    text: "[a-zA-Z0-9_.-]+",
    matches: |text| !text.is_empty() && text.bytes().all(is_name),
};

/// Hash keys: a decimal number of up to 39 digits.
pub const HASH_KEY: Pattern = Pattern {
    text: r"^(0|([1-9]\d{0,38}))$",
    matches: |text| is_number(text, 39),
};

/// Sequence numbers: a decimal number of up to 129 digits.
pub const SEQUENCE_NUMBER: Pattern = Pattern {
    text: r"^(0|([1-9]\d{0,128}))$",
    matches: |text| is_number(text, 129),
};

/// Stream ids, which are reserved.
pub const STREAM_ID: Pattern = Pattern {
    text: "[a-z0-9]{20}-[a-z0-9]{3}",
    matches: |text| {
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        text.len() == 24
            && text
                .bytes()
                .enumerate()
                .all(|(i, b)| if i == 20 { b == b'-' } else { lower(b) })
    },
};

/// ARNs of streams.
pub const STREAM_ARN: Pattern = Pattern {
    text: r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+",
    matches: |text| {
        arn_resources(text).any(|resource| {
            let name = resource.strip_prefix("stream/");
            name.is_some_and(is_solid)
        })
    },
};

/// ARNs of registered consumers.
pub const CONSUMER_ARN: Pattern = Pattern {
    text: r"^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+",
    matches: |text| {
        arn_resources(text).any(|resource| !is_broken(resource) && is_consumer(resource))
    },
};

/// ARNs of anything that carries tags or a policy.
pub const RESOURCE_ARN: Pattern = Pattern {
    text: r"arn:aws.*:kinesis:.*:\d{12}:.*(stream|channel|queue)/\S+",
    matches: |text| {
        arn_resources(text).any(|resource| {
            ["stream/", "channel/", "queue/"].into_iter().any(|kind| {
                resource.match_indices(kind).any(|(at, _)| {
                    let (before, rest) = resource.split_at(at);
                    !is_broken(before) && rest.strip_prefix(kind).is_some_and(is_solid)
                })
            })
        })
    },
};

/// [`NAME`] as one model writes it.
pub const NAME_ANCHORED: Pattern = Pattern {
    text: r"^[a-zA-Z0-9_\.\-]+$",
    matches: NAME.matches,
};

/// ARNs of video streams and of what else a service of video names.
pub const VIDEO_ARN: Pattern = Pattern {
    text: r"arn:[a-z\d-]+:kinesisvideo:[a-z0-9-]+:[0-9]+:[a-z]+/[a-zA-Z0-9_.-]+/[0-9]+",
    matches: is_video_arn,
};

/// [`VIDEO_ARN`] of the partition `aws`.
pub const VIDEO_ARN_AWS: Pattern = Pattern {
    text: r"arn:aws:kinesisvideo:[a-z0-9-]+:[0-9]+:[a-z]+/[a-zA-Z0-9_.-]+/[0-9]+",
    matches: |text| text.starts_with("arn:aws:") && is_video_arn(text),
};

/// Media types, with commas between them.
pub const MEDIA_TYPE: Pattern = Pattern {
    text: r"[\w\-\.\+]+/[\w\-\.\+]+(,[\w\-\.\+]+/[\w\-\.\+]+)*",
    matches: |text| {
        let word = |text: &str| all(text, |b| is_name(b) || b == b'+');
        text.split(',').all(|media_type| {
            let halves = media_type.split_once('/');
            halves.is_some_and(|(kind, name)| word(kind) && word(name))
        })
    },
};

/// Any text of one line.
pub const SOMETHING: Pattern = Pattern {
    text: ".+",
    matches: |text| !text.is_empty() && !is_broken(text),
};

/// Versions.
pub const LETTERS: Pattern = Pattern {
    text: "[a-zA-Z0-9]+",
    matches: |text| all(text, |b| b.is_ascii_alphanumeric()),
};

/// Fragment numbers.
pub const DIGITS: Pattern = Pattern {
    text: "^[0-9]+$",
    matches: |text| all(text, |b| b.is_ascii_digit()),
};

/// Values of a format's settings.
pub const FORMAT_WORD: Pattern = Pattern {
    text: "^[a-zA-Z_0-9]+",
    matches: |text| all(text, |b| b.is_ascii_alphanumeric() || b == b'_'),
};

/// Paging tokens, which may be empty.
pub const TOKEN: Pattern = Pattern {
    text: "[a-zA-Z0-9+/=]*",
    matches: |text| text.bytes().all(|b| is_base64(b) || b == b'='),
};

/// Paging tokens with at most two equals signs at the end.
pub const TOKEN_PADDED: Pattern = Pattern {
    text: "[a-zA-Z0-9+/]+={0,2}",
    matches: |text| {
        let body = text.trim_end_matches('=');
        text.len() - body.len() <= 2 && all(body, is_base64)
    },
};

/// Keys of tags. Letters are what Unicode counts as alphabetic, which is a little more than `\p{L}`.
pub const TAG_TEXT: Pattern = Pattern {
    text: r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$",
    matches: |text| text.chars().all(is_tag_text),
};

/// Values of tags, as [`TAG_TEXT`].
pub const TAG_VALUE: Pattern = Pattern {
    text: r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*",
    matches: TAG_TEXT.matches,
};

/// Where notifications and pictures go.
pub const DESTINATION_URI: Pattern = Pattern {
    text: "^[a-zA-Z_0-9]+:(//)?([^/]+)/?([^*]*)$",
    matches: |text| {
        let Some((scheme, rest)) = text.split_once(':') else {
            return false;
        };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        // What stands before the first slash may hold a star, what stands behind it may not.
        let (first, behind) = rest.split_once('/').unwrap_or((rest, ""));
        FORMAT_WORD.matches(scheme) && !first.is_empty() && !behind.contains('*')
    },
};

/// Regions.
pub const DESTINATION_REGION: Pattern = Pattern {
    text: "^[a-z]+(-[a-z]+)?-[a-z]+-[0-9]$",
    matches: |text| {
        let parts: Vec<&str> = text.split('-').collect();
        match parts.split_last() {
            Some((number, words)) => {
                (2..=3).contains(&words.len())
                    && words
                        .iter()
                        .all(|word| all(word, |b| b.is_ascii_lowercase()))
                    && number.len() == 1
                    && number.bytes().all(|b| b.is_ascii_digit())
            }
            None => false,
        }
    },
};

pub(crate) fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')
}

pub(crate) fn is_tag_text(c: char) -> bool {
    // What has the category of a separator; tabs and line feeds are control characters.
    let is_separator = c.is_whitespace() && !c.is_control();
    c.is_alphabetic() || c.is_numeric() || is_separator || "_.:/=+-@".contains(c)
}

fn is_video_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [prefix, partition, service, region, account, resource] = parts.as_slice() else {
        return false;
    };
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let segments: Vec<&str> = resource.split('/').collect();
    let [kind, name, created] = segments.as_slice() else {
        return false;
    };
    (*prefix, *service) == ("arn", "kinesisvideo")
        && all(partition, lower)
        && all(region, lower)
        && all(account, |b| b.is_ascii_digit())
        && all(kind, |b| b.is_ascii_lowercase())
        && all(name, is_name)
        && all(created, |b| b.is_ascii_digit())
}

pub(crate) fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')
}

fn is_number(text: &str, digits_max: usize) -> bool {
    text == "0"
        || (text.len() <= digits_max
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.bytes().next().is_some_and(|b| b != b'0'))
}

/// What `\S+` accepts.
pub(crate) fn is_solid(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|b| matches!(b, b' ' | 0x09..=0x0d))
}

/// Whether `.` would stop in here: at a line terminator, as Java counts them.
pub(crate) fn is_broken(text: &str) -> bool {
    text.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
}

/// What may stand behind the account number of a Kinesis ARN: every way to read
/// `arn:aws.*:kinesis:.*:\d{12}:` from the front.
fn arn_resources(text: &str) -> impl Iterator<Item = &str> {
    let service = text
        .strip_prefix("arn:aws")
        .and_then(|rest| rest.split_once(":kinesis:"))
        .filter(|(partition, _)| !is_broken(partition))
        .map_or("", |(_, rest)| rest);
    service.match_indices(':').filter_map(move |(at, _)| {
        let (before, rest) = service.split_at(at);
        let (account, resource) = rest.strip_prefix(':')?.split_once(':')?;
        let found = account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && !is_broken(before);
        found.then_some(resource)
    })
}

/// `.*stream/NAME/consumer/NAME:DIGITS` with the `.*` already known to hold no line terminator.
fn is_consumer(resource: &str) -> bool {
    let named = |name: &str| !name.is_empty() && name.bytes().all(is_name);
    let Some((head, created)) = resource.rsplit_once(':') else {
        return false;
    };
    let Some((stream, consumer)) = head.rsplit_once("/consumer/") else {
        return false;
    };
    let Some((kind, name)) = stream.rsplit_once('/') else {
        return false;
    };
    kind.ends_with("stream")
        && named(name)
        && named(consumer)
        && !created.is_empty()
        && created.bytes().all(|b| b.is_ascii_digit())
}
