import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.SdkHttpConfigurationOption;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.*;
import software.amazon.awssdk.utils.AttributeMap;

/** Kinesis with the asynchronous SDK for Java 2: CBOR, HTTP/2 without ALPN. Argument: the endpoint. */
public final class Kinesis {
  public static void main(String[] arguments) throws Exception {
    AttributeMap trusting =
        AttributeMap.builder().put(SdkHttpConfigurationOption.TRUST_ALL_CERTIFICATES, true).build();
    var http =
        NettyNioAsyncHttpClient.builder().protocol(Protocol.HTTP2).buildWithDefaults(trusting);
    var credentials = AwsBasicCredentials.create("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    try (var client =
        KinesisAsyncClient.builder()
            .endpointOverride(URI.create(arguments[0]))
            .region(Region.US_EAST_1)
            .credentialsProvider(StaticCredentialsProvider.create(credentials))
            .httpClient(http)
            .build()) {
      run(client, "java-" + arguments[1]);
    }
    System.out.println("ok");
    System.exit(0);
  }

  private static void run(KinesisAsyncClient client, String stream) throws Exception {
    client.createStream(r -> r.streamName(stream).shardCount(1)).get(10, TimeUnit.SECONDS);
    var summary =
        client.describeStreamSummary(r -> r.streamName(stream)).get(10, TimeUnit.SECONDS)
            .streamDescriptionSummary();
    check(summary.openShardCount() == 1, "one shard");
    recent(summary.streamCreationTimestamp());

    List<PutRecordsRequestEntry> entries = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      entries.add(
          PutRecordsRequestEntry.builder()
              .partitionKey("k" + i).data(SdkBytes.fromUtf8String("record " + i)).build());
    }
    var put =
        client.putRecords(r -> r.streamName(stream).records(entries)).get(10, TimeUnit.SECONDS);
    check(put.failedRecordCount() == 0, "every record is taken");
    String shard = put.records().get(0).shardId();

    String iterator =
        client.getShardIterator(
                r -> r.streamName(stream).shardId(shard).shardIteratorType("TRIM_HORIZON"))
            .get(10, TimeUnit.SECONDS).shardIterator();
    var got = client.getRecords(r -> r.shardIterator(iterator)).get(10, TimeUnit.SECONDS);
    var expected = IntStream.range(0, 100).mapToObj(i -> "record " + i).toList();
    check(texts(got.records()).equals(expected), "records come back in order");
    recent(got.records().get(0).approximateArrivalTimestamp());

    try {
      client.describeStream(r -> r.streamName("absent")).get(10, TimeUnit.SECONDS);
      check(false, "an absent stream is refused");
    } catch (java.util.concurrent.ExecutionException error) {
      check(error.getCause() instanceof ResourceNotFoundException, "" + error.getCause());
    }

    var consumer =
        client.registerStreamConsumer(r -> r.streamARN(summary.streamARN()).consumerName("java"))
            .get(10, TimeUnit.SECONDS).consumer();
    List<String> seen = new CopyOnWriteArrayList<>();
    CountDownLatch last = new CountDownLatch(1);
    var handler =
        SubscribeToShardResponseHandler.builder()
            .subscriber(
                SubscribeToShardResponseHandler.Visitor.builder()
                    .onSubscribeToShardEvent(
                        event -> {
                          event.records().forEach(r -> recent(r.approximateArrivalTimestamp()));
                          seen.addAll(texts(event.records()));
                          if (seen.contains("last")) {
                            last.countDown();
                          }
                        })
                    .build())
            .build();
    CompletableFuture<Void> subscription =
        client.subscribeToShard(
            r ->
                r.consumerARN(consumer.consumerARN()).shardId(shard)
                    .startingPosition(p -> p.type(ShardIteratorType.TRIM_HORIZON)),
            handler);
    client.putRecord(
            r -> r.streamName(stream).partitionKey("k").data(SdkBytes.fromUtf8String("last")))
        .get(10, TimeUnit.SECONDS);
    check(last.await(20, TimeUnit.SECONDS), "pushed: " + seen.size());
    check(seen.size() == 101, "each record is pushed once: " + seen.size());
    subscription.cancel(true);
    client.deleteStream(r -> r.streamName(stream).enforceConsumerDeletion(true))
        .get(10, TimeUnit.SECONDS);
  }

  private static List<String> texts(
      List<software.amazon.awssdk.services.kinesis.model.Record> records) {
    return records.stream().map(record -> record.data().asUtf8String()).toList();
  }

  private static void recent(Instant time) {
    Duration age = Duration.between(time, Instant.now()).abs();
    check(age.compareTo(Duration.ofMinutes(1)) < 0, "a time of now, not " + time);
  }

  private static void check(boolean truth, String what) {
    if (!truth) {
      throw new AssertionError(what);
    }
  }
}
