//! Signatures and what they allow.

use std::fmt::Write as _;

use afflux_types::{Clock, ServerTime};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use ring::hmac;
use sha2::{Digest as _, Sha256};

use super::Running;
use super::client::{Client, Version, call};
use crate::config::{Config, Credential, Right, Token};

const SECRET: &str = "the secret of the orders";

fn credential() -> Credential {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Credential {
        access_key_id: "ORDERS".to_owned(),
        secret: Some(SECRET.to_owned().into()),
        secret_file: None,
        secret_env: None,
        session_token: None,
        account: None,
        actions: owned(&["kinesis:Put*", "kinesis:ListStreams"]),
        streams: owned(&["orders-*"]),
    }
}

pub(super) fn with_credential(config: &mut Config) {
    config.credentials = vec![credential()];
}

/// What a signature is made with.
#[derive(Clone, Copy)]
struct Signer {
    key: &'static str,
    secret: &'static str,
    region: &'static str,
    /// Added to the time of day.
    minutes: i64,
    /// Whether it is also made for headers of the connection, which are not sent.
    connection: bool,
}

const GOOD: Signer = Signer {
    key: "ORDERS",
    secret: SECRET,
    region: "us-east-1",
    minutes: 0,
    connection: false,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Signer {
    /// A signed request, written from the documentation of the scheme and not from our verifier.
    fn call(self, operation: &str, body: &'static str) -> Request<Full<Bytes>> {
        let mut request = call(operation, body);
        let now = Clock::system().wall().as_millis() + self.minutes * 60_000;
        let stamp = stamp(ServerTime::from_millis(now));
        let day = &stamp[..8];
        let target = request.headers()["x-amz-target"].to_str().unwrap();
        let (connection, coding) = match self.connection {
            true => ("connection:keep-alive\n", "transfer-encoding:chunked\n"),
            false => ("", ""),
        };
        let headers = format!(
            "{connection}host:localhost\n{coding}x-amz-date:{stamp}\nx-amz-target:{target}\n"
        );
        let names: Vec<&str> = headers
            .lines()
            .filter_map(|line| line.split(':').next())
            .collect();
        let names = names.join(";");
        let canonical = format!(
            "POST\n/\n\n{headers}\n{names}\n{}",
            hex(&Sha256::digest(body))
        );
        let scope = format!("{day}/{}/kinesis/aws4_request", self.region);
        let hash = hex(&Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hash}");
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [day, self.region, "kinesis", "aws4_request", &text] {
            let signing = hmac::Key::new(hmac::HMAC_SHA256, &key);
            key = hmac::sign(&signing, part.as_bytes()).as_ref().to_vec();
        }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.key,
            hex(&key)
        );
        let headers = request.headers_mut();
        headers.insert("x-amz-date", stamp.parse().unwrap());
        headers.insert("authorization", authorization.parse().unwrap());
        request
    }
}

/// `20261121T110000Z`.
fn stamp(time: ServerTime) -> String {
    let seconds = time.as_millis() / 1_000;
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since March 1 of year 0, in eras of 400 years.
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year + era * 400 + next;
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[tokio::test]
async fn signed_requests_pass_and_others_get_the_errors_of_the_service() {
    let running = Running::start_with(with_credential).await;
    let wrong = |change: fn(&mut Signer)| {
        let mut signer = GOOD;
        change(&mut signer);
        signer.call("PutRecord", "orders-eu x")
    };
    for version in [Version::One, Version::Two] {
        let mut client = Client::plain(running.address(), version).await;
        let (status, says) = client.ask(GOOD.call("PutRecord", "orders-eu x")).await;
        assert_eq!(
            (status, says.as_str()),
            (200, "PutRecord of 11 bytes by ORDERS")
        );
        let mut changed = GOOD.call("PutRecord", "orders-eu x");
        *changed.body_mut() = Full::new(Bytes::from_static(b"orders-eu y"));
        for (request, error) in [
            (
                call("PutRecord", "orders-eu x"),
                "MissingAuthenticationTokenException",
            ),
            (
                wrong(|signer| signer.secret = "another secret"),
                "InvalidSignatureException",
            ),
            (
                wrong(|signer| signer.region = "eu-west-1"),
                "InvalidSignatureException",
            ),
            (
                wrong(|signer| signer.minutes = -16),
                "InvalidSignatureException",
            ),
            (
                wrong(|signer| signer.minutes = 16),
                "InvalidSignatureException",
            ),
            (
                wrong(|signer| signer.key = "INVOICES"),
                "UnrecognizedClientException",
            ),
            (changed, "InvalidSignatureException"),
        ] {
            let (status, says) = client.ask(request).await;
            assert_eq!(status, 400, "{says}");
            assert!(says.contains(error), "{error}: {says}");
        }
    }
}

/// The AWS SDK for C signs them, and libcurl leaves them out if the server speaks HTTP/2.
#[tokio::test]
async fn signed_headers_that_http_2_does_not_have_are_not_missed_there() {
    let running = Running::start_with(with_credential).await;
    let signer = Signer {
        connection: true,
        ..GOOD
    };
    for (version, expected) in [(Version::One, 400), (Version::Two, 200)] {
        let mut client = Client::plain(running.address(), version).await;
        let (status, says) = client.ask(signer.call("PutRecord", "orders-eu x")).await;
        assert_eq!(status, expected, "{says}");
    }
}

#[tokio::test]
async fn a_credential_allows_its_actions_on_its_streams_and_no_more() {
    let running = Running::start_with(with_credential).await;
    let mut client = Client::plain(running.address(), Version::Two).await;
    for (operation, body, status) in [
        ("PutRecords", "orders-us x", 200),
        ("ListStreams", "-", 200),
        ("PutRecords", "invoices x", 400),
        ("DeleteStream", "orders-us", 400),
        ("ListShards", "-", 400),
    ] {
        let (found, says) = client.ask(GOOD.call(operation, body)).await;
        assert_eq!(found, status, "{operation} {body}: {says}");
        let denied = says.contains("AccessDeniedException");
        assert_eq!(denied, status == 400, "{operation} {body}: {says}");
    }
}

#[tokio::test]
async fn a_token_closes_the_apis_too() {
    let running = Running::start_with(|config| {
        config.tokens = vec![Token {
            name: "cameras".to_owned(),
            sha256: Some("00".repeat(32)),
            secret_file: None,
            rights: vec![Right::Produce],
            streams: vec!["*".to_owned()],
        }];
    })
    .await;
    let mut client = Client::plain(running.address(), Version::One).await;
    let (status, says) = client.ask(call("ListStreams", "-")).await;
    assert_eq!(status, 400);
    assert!(says.contains("MissingAuthenticationToken"), "{says}");
    let (_, says) = client.ask(GOOD.call("ListStreams", "-")).await;
    assert!(says.contains("UnrecognizedClient"), "{says}");
}
