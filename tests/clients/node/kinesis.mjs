// Kinesis with the AWS SDK for JavaScript: node kinesis.mjs ENDPOINT [http1]
//
// The SDK speaks HTTP/2 by default, over http:// without asking (prior knowledge).
import assert from "node:assert/strict";
import * as kinesis from "@aws-sdk/client-kinesis";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const [endpoint, transport] = process.argv.slice(2);
const client = new kinesis.KinesisClient({
  endpoint,
  region: "us-east-1",
  credentials: {
    accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? "AKIDEXAMPLE",
    secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  },
  maxAttempts: 1,
  ...(transport === "http1" ? { requestHandler: new NodeHttpHandler() } : {}),
});
const call = (Command, input) => client.send(new Command(input));
const StreamName = `node-${transport ?? "http2"}`;

await call(kinesis.CreateStreamCommand, { StreamName, ShardCount: 1 });
await kinesis.waitUntilStreamExists({ client, maxWaitTime: 30 }, { StreamName });
const { StreamDescriptionSummary: summary } = await call(kinesis.DescribeStreamSummaryCommand, { StreamName });
assert.equal(summary.OpenShardCount, 1);
assert.ok(Math.abs(Date.now() - summary.StreamCreationTimestamp.getTime()) < 60_000);

const Records = Array.from({ length: 100 }, (_, i) => ({ PartitionKey: `k${i}`, Data: Buffer.from(`record ${i}`) }));
const put = await call(kinesis.PutRecordsCommand, { StreamName, Records });
assert.equal(put.FailedRecordCount, 0);
const ShardId = put.Records[0].ShardId;

let { ShardIterator } = await call(kinesis.GetShardIteratorCommand, {
  StreamName,
  ShardId,
  ShardIteratorType: "TRIM_HORIZON",
});
const got = await call(kinesis.GetRecordsCommand, { ShardIterator });
assert.deepEqual(got.Records.map((record) => Buffer.from(record.Data).toString()), Records.map((r) => r.Data.toString()));

await assert.rejects(call(kinesis.DescribeStreamCommand, { StreamName: "absent" }), kinesis.ResourceNotFoundException);

const { Consumer } = await call(kinesis.RegisterStreamConsumerCommand, {
  StreamARN: summary.StreamARN,
  ConsumerName: "node",
});
const { EventStream } = await call(kinesis.SubscribeToShardCommand, {
  ConsumerARN: Consumer.ConsumerARN,
  ShardId,
  StartingPosition: { Type: "TRIM_HORIZON" },
});
const seen = [];
for await (const event of EventStream) {
  const pushed = event.SubscribeToShardEvent.Records.map((record) => Buffer.from(record.Data).toString());
  seen.push(...pushed);
  if (seen.length === 100 && pushed.length > 0) {
    await call(kinesis.PutRecordCommand, { StreamName, PartitionKey: "k", Data: Buffer.from("last") });
  }
  if (seen.at(-1) === "last") break;
}
assert.equal(seen.length, 101);

await call(kinesis.DeleteStreamCommand, { StreamName, EnforceConsumerDeletion: true });
client.destroy();
console.log("ok");
process.exit(0);
