use proptest::prelude::*;

use super::*;

#[test]
fn arns_read_what_they_write() {
    let place = Place {
        partition: "aws-cn".to_owned(),
        region: "cn-north-1".to_owned(),
        account: "123456789012".to_owned(),
    };
    let stream = place.stream("a.b".parse().unwrap());
    let consumer = stream.consumer("c-d".parse().unwrap(), 1_459_799_926);
    let text = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a.b/consumer/c-d:1459799926";
    assert_eq!(consumer.to_string(), text);
    assert_eq!(text.parse(), Ok(consumer.clone()));
    assert_eq!(text.parse(), Ok(ResourceArn::Consumer(consumer)));
    assert!(text.parse::<StreamArn>().is_err());
    assert_eq!(stream.to_string().parse(), Ok(ResourceArn::Stream(stream)));
}

#[test]
fn malformed_arns_are_refused() {
    for text in [
        "",
        "arn:aws:s3:us-east-1:123456789012:stream/a",
        "arn:aws:kinesis:us-east-1:12345678901:stream/a",
        "arn:aws:kinesis:us-east-1:123456789012:stream/",
        "arn:aws:kinesis:us-east-1:123456789012:channel/a",
        "arn:aws:kinesis:us-east-1:123456789012:stream/a/consumer/b",
        "arn:aws:kinesis:us-east-1:123456789012:stream/a/consumer/b:-1",
        "arn:aws:kinesis:us-east-1:123456789012:stream/a/consumer/b:",
    ] {
        assert!(text.parse::<ResourceArn>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "arn:aws:kinesis:\\PC*|\\PC*") {
        let _ = text.parse::<ResourceArn>();
    }
}
