//! `StartStreamEncryption` and `StopStreamEncryption`, and what other answers say of it.

use std::os::unix::fs::PermissionsExt;

use crate::support::*;

const KEY_ARN: &str = "arn:aws:kms:us-east-1:000000000000:key/one";

fn switch(key: &str) -> Value {
    json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": key})
}

async fn start(fixture: &Fixture, key: &str) {
    let answer = fixture.call("StartStreamEncryption", switch(key)).await;
    assert_eq!(answer, Value::Null);
}

/// What both descriptions say of the encryption.
async fn described(fixture: &Fixture) -> (Value, Value) {
    let summary = fixture.summary("s").await;
    let whole = fixture
        .call("DescribeStream", json!({"StreamName": "s"}))
        .await;
    let whole = &whole["StreamDescription"];
    for member in ["EncryptionType", "KeyId", "StreamStatus"] {
        assert_eq!(whole[member], summary[member]);
    }
    assert_eq!(summary["StreamStatus"], "ACTIVE");
    (summary["EncryptionType"].clone(), summary["KeyId"].clone())
}

fn put(data: &str) -> Value {
    json!({"StreamName": "s", "PartitionKey": "k", "Data": data})
}

async fn get(fixture: &Fixture) -> Result<Vec<Value>, String> {
    let body = json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = fixture.call("GetShardIterator", body).await;
    let body = json!({"ShardIterator": iterator["ShardIterator"]});
    let answer = fixture.try_call("GetRecords", body).await?;
    Ok(answer["Records"].as_array().unwrap().clone())
}

#[tokio::test]
async fn encryption_is_told_where_it_is_told_at_aws() {
    let fixture = Fixture::new().await.with_keys().await;
    fixture.create("s", 1).await;
    assert_eq!(described(&fixture).await, (json!("NONE"), Value::Null));
    let answer = fixture.call("PutRecord", put("AAAA")).await;
    assert_eq!(answer["EncryptionType"], Value::Null);
    for key in ["one", "one", KEY_ARN, "alias/aws/kinesis"] {
        start(&fixture, key).await;
        assert_eq!(described(&fixture).await, (json!("KMS"), json!(key)));
    }
    let answer = fixture.call("PutRecord", put("BBBB")).await;
    assert_eq!(answer["EncryptionType"], "KMS");
    let records = json!([{"PartitionKey": "k", "Data": "CCCC"}]);
    let answer = fixture
        .call("PutRecords", json!({"StreamName": "s", "Records": records}))
        .await;
    assert_eq!(answer["EncryptionType"], "KMS");
    let fixture = fixture.reopen().await;
    let records = get(&fixture).await.unwrap();
    let data: Vec<_> = records.iter().map(|record| &record["Data"]).collect();
    assert_eq!(data, ["AAAA", "BBBB", "CCCC"]);
    assert!(
        records
            .iter()
            .all(|record| record["EncryptionType"] == "KMS")
    );
    // By another name of the key.
    let arn = format!("{ARN}s");
    let body = json!({"StreamARN": arn, "EncryptionType": "KMS", "KeyId": "two"});
    assert_eq!(
        fixture.call("StopStreamEncryption", body).await,
        Value::Null
    );
    assert_eq!(described(&fixture).await, (json!("NONE"), Value::Null));
    let answer = fixture.call("PutRecord", put("DDDD")).await;
    assert_eq!(answer["EncryptionType"], Value::Null);
    assert_eq!(get(&fixture).await.unwrap().len(), 4);
    let again = fixture.refused("StopStreamEncryption", switch("two")).await;
    assert_eq!(
        again,
        "InvalidArgumentException: Stream s under account 000000000000 is not encrypted."
    );
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_refused_with_the_services_codes() {
    let fixture = Fixture::new().await.with_keys().await;
    fixture.create("s", 1).await;
    let path = fixture.keys().join("open.key");
    std::fs::write(&path, "1".repeat(64)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    for (key, error) in [
        ("three", "KMSNotFoundException: Key three is not found."),
        (
            "alias/three",
            "KMSNotFoundException: Key alias/three is not found.",
        ),
        (
            "../one",
            r#"InvalidArgumentException: "../one" is not the name of a key."#,
        ),
        (
            "open",
            "KMSAccessDeniedException: The key cannot be used; the server's log says why.",
        ),
    ] {
        let refused = fixture.refused("StartStreamEncryption", switch(key)).await;
        assert_eq!(refused, error);
    }
    assert_eq!(described(&fixture).await, (json!("NONE"), Value::Null));
    let body = json!({"StreamName": "none", "EncryptionType": "KMS", "KeyId": "one"});
    let refused = fixture.refused("StartStreamEncryption", body).await;
    assert!(
        refused.starts_with("ResourceNotFoundException"),
        "{refused}"
    );
}

#[tokio::test]
async fn without_its_key_a_stream_takes_and_gives_nothing_sealed_and_says_why() {
    let fixture = Fixture::new().await.with_keys().await;
    fixture.create("s", 1).await;
    fixture.call("PutRecord", put("AAAA")).await;
    start(&fixture, "one").await;
    fixture.call("PutRecord", put("BBBB")).await;
    let path = fixture.keys().join("one.key");
    std::fs::write(&path, "2".repeat(64)).unwrap();
    let fixture = fixture.reopen().await;
    let wrong =
        "KMSInvalidStateException: Key one is not the key that the stream was encrypted with.";
    assert_eq!(fixture.refused("PutRecord", put("CCCC")).await, wrong);
    let records = json!([{"PartitionKey": "k", "Data": "CCCC"}]);
    let body = json!({"StreamName": "s", "Records": records});
    assert_eq!(fixture.refused("PutRecords", body).await, wrong);
    // What is plain can be read.
    assert_eq!(get(&fixture).await.unwrap().len(), 1);
    std::fs::remove_file(&path).unwrap();
    let missing = "KMSNotFoundException: Key one is not found.";
    assert_eq!(fixture.refused("PutRecord", put("CCCC")).await, missing);
    let sequence = json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "LATEST"});
    fixture.call("GetShardIterator", sequence).await;
    // It describes itself, and can be switched off.
    assert_eq!(described(&fixture).await, (json!("KMS"), json!("one")));
    fixture.call("StopStreamEncryption", switch("one")).await;
    fixture.call("PutRecord", put("DDDD")).await;
}
