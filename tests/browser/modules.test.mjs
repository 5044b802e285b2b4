// The page's modules that need no browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Fragments } from "../../crates/server/player/fragments.js";
import { Recording } from "../../crates/server/player/recording.js";
import { Unplayable, begin, choose } from "../../crates/server/player/session.js";
import { sign } from "../../crates/server/player/signature.js";
import { read, address } from "../../crates/server/player/streams.js";
import * as timeline from "../../crates/server/player/timeline.js";
import * as times from "../../crates/server/player/times.js";

const fragment = (number, start, end, tags = []) => ({ number, start, end, bytes: 1, tags });
const numbers = (fragments) => fragments.map(({ number }) => number).join("");

test("a signature is the one that botocore makes of the same request", async () => {
  const signed = await sign({
    method: "POST",
    host: "127.0.0.1:4567",
    path: "/listFragments",
    headers: { "content-type": "application/json" },
    body: '{"StreamName":"cam"}',
    keys: {
      id: "AKIDEXAMPLE",
      secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
      token: "a token",
      region: "eu-west-1",
    },
    service: "kinesisvideo",
    now: new Date("2026-11-21T10:00:00.678Z"),
  });
  assert.deepEqual(signed, {
    "x-amz-content-sha256": "79cae45dee2cb70c399a756fd371b5a7bb1bc3668ea8094027e677ea22843e4e",
    "x-amz-date": "20261121T100000Z",
    "x-amz-security-token": "a token",
    authorization:
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-west-1/kinesisvideo/aws4_request, " +
      "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, " +
      "Signature=ba4c83219e6c55ac0152ee83ba46cc8ef28541a01c15aa068933dbdac2571059",
  });
});

test("fragments are kept in order, each once", () => {
  const held = new Fragments(0);
  assert.equal(held.add([fragment("c", 20, 30), fragment("a", 0, 10)]), 2);
  assert.equal(held.add([fragment("b", 10, 20), fragment("a", 0, 10)]), 1);
  assert.equal(numbers(held.between(-1, 100)), "abc");
  assert.equal(held.first.number + held.last.number, "ac");
  assert.equal(numbers(held.between(10, 20)), "b");
  assert.equal(numbers(held.between(10, 21)), "bc");
});

test("the fragment of a time is the one that plays then", () => {
  const held = new Fragments(0);
  held.add([fragment("a", 0, 10), fragment("b", 10, 20), fragment("long", 5, 60), fragment("c", 90, 100)]);
  assert.equal(held.at(0).number, "a");
  assert.equal(held.at(10).number, "b");
  assert.equal(held.at(30).number, "long");
  assert.equal(held.at(70), null);
  assert.equal(held.at(-1), null);
  assert.equal(held.after(11).number, "c");
  assert.equal(held.after(91), null);
  assert.equal(held.before(10).number, "long");
});

test("gaps are silences in what is known, and longer than the tolerance", () => {
  const held = new Fragments(5);
  held.add([fragment("a", 0, 10), fragment("b", 14, 20), fragment("c", 50, 60), fragment("d", 90, 99)]);
  assert.deepEqual(held.gaps(0, 100), []);
  held.learn(0, 60);
  assert.deepEqual(held.gaps(0, 100), [{ from: 20, to: 50 }]);
  assert.deepEqual(held.gaps(30, 40), [{ from: 20, to: 50 }]);
  held.learn(60, 100);
  assert.deepEqual(held.gaps(55, 100), [{ from: 60, to: 90 }]);
  assert.deepEqual(held.spans(0, 100).map(({ count }) => count), [2, 1, 1]);
});

test("what was asked for is not asked for again", () => {
  const held = new Fragments(0);
  held.learn(10, 20);
  held.learn(30, 40);
  assert.deepEqual(held.missing(0, 50), [{ from: 0, to: 10 }, { from: 20, to: 30 }, { from: 40, to: 50 }]);
  held.learn(20, 30);
  assert.deepEqual(held.missing(12, 40), []);
  held.learn(5, 5);
  assert.deepEqual(held.missing(0, 11), [{ from: 0, to: 10 }]);
});

test("tagged fragments are found by their start", () => {
  const held = new Fragments(0);
  const tag = { name: "door", value: "open" };
  held.add([fragment("a", 0, 10, [tag]), fragment("b", 10, 20), fragment("c", 20, 30, [tag])]);
  assert.equal(numbers(held.tagged(0, 20)), "a");
  assert.equal(numbers(held.tagged(0, 21)), "ac");
  assert.equal(numbers(held.tagged(1, 20)), "");
});

test("zooming keeps what is under the mouse, and ends somewhere", () => {
  const view = { from: 0, to: 100_000 };
  const near = timeline.zoom(view, 0.5, 25_000);
  assert.deepEqual(near, { from: 12_500, to: 62_500 });
  assert.equal(timeline.width(timeline.zoom(view, 1e-9, 0)), 2000);
  assert.ok(timeline.width(timeline.zoom(view, 1e12, 0)) < 1e12);
});

test("places and times are each other's reverse", () => {
  const view = { from: 1000, to: 3000 };
  assert.equal(timeline.place(view, 500, 1500), 125);
  assert.equal(timeline.time(view, 500, 125), 1500);
  assert.deepEqual(timeline.pan(view, 10), { from: 1010, to: 3010 });
  assert.deepEqual(timeline.around(view, 1000), { from: 0, to: 2000 });
});

test("a time is revealed by the least movement", () => {
  const view = { from: 0, to: 100 };
  assert.equal(timeline.reveal(view, 50, 0.1), view);
  assert.deepEqual(timeline.reveal(view, 120, 0.1), { from: 30, to: 130 });
  assert.deepEqual(timeline.reveal(view, -20, 0.1), { from: -30, to: 70 });
});

test("ticks are apart and stand on round local times", () => {
  const day = 86_400_000;
  const { step, times: at } = timeline.ticks({ from: 0, to: 3 * day }, 900, 90, 330);
  assert.ok((step / (3 * day)) * 900 >= 90);
  for (const time of at) assert.equal((time - 330 * 60_000) % step, 0);
  assert.ok(timeline.ticks({ from: 0, to: 1e13 }, 900, 90, 0).times.length < 1000);
});

test("lengths of time and sizes are in units that people read", () => {
  assert.equal(times.span(1234), "1.2 s");
  assert.equal(times.span(59_000), "59 s");
  assert.equal(times.span(3_600_000 * 2 + 300_000), "2 h 5 min");
  assert.equal(times.span(86_400_000 * 3), "3 days");
  assert.equal(times.bytes(999), "999 B");
  assert.equal(times.bytes(1_250_000), "1.3 MB");
});

test("a field gives back the time that it was given", () => {
  const time = Date.UTC(2026, 10, 21, 10, 0, 2, 345);
  assert.equal(times.parse(times.field(time)), time);
  assert.equal(times.parse(""), null);
  assert.equal(times.fromApi(1_763_719_202.345), 1_763_719_202_345);
});

test("an address names a stream and a time, whatever the stream is called", () => {
  const time = Date.UTC(2026, 10, 21, 10);
  for (const stream of ["cam", "a.b-c_d", "50%"]) {
    assert.deepEqual(read(address(stream, time)), { stream, time });
    assert.deepEqual(read(address(stream)), { stream, time: null });
  }
  assert.deepEqual(read("#%zz"), { stream: null, time: null });
  assert.deepEqual(read(""), { stream: null, time: null });
  assert.deepEqual(read("#cam@noon"), { stream: "cam", time: null });
});

test("a playlist starts with the picture of a time, also behind a gap", () => {
  const playlist = [
    "#EXTM3U",
    "#EXT-X-TARGETDURATION:2",
    "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:00:00.000Z",
    "#EXTINF:2.000,",
    "a",
    "#EXTINF:1.500,",
    "b",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T11:00:00.000Z",
    "#EXTINF:2.000,",
    "c",
    "#EXT-X-ENDLIST",
  ].join("\n");
  const offset = (time) => /TIME-OFFSET=([^,]*)/.exec(begin(playlist, Date.parse(time)))?.[1];
  assert.equal(offset("2026-11-21T09:00:00Z"), "0.000");
  assert.equal(offset("2026-11-21T10:00:01.250Z"), "1.250");
  assert.equal(offset("2026-11-21T10:00:03Z"), "3.000");
  assert.equal(offset("2026-11-21T10:30:00Z"), "3.500");
  assert.equal(offset("2026-11-21T11:00:01Z"), "4.500");
  assert.equal(offset("2026-11-21T12:00:00Z"), undefined);
  assert.equal(begin(playlist, 0).split("\n").length, playlist.split("\n").length + 1);
});

test("what a browser cannot play is left out or said", () => {
  globalThis.MediaSource = { isTypeSupported: (type) => /avc1|mp4a/.test(type) };
  const master = (codecs) =>
    `#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI="a.m3u8",GROUP-ID="audio"\n#EXT-X-STREAM-INF:CODECS="${codecs}",AUDIO="audio"\nv.m3u8?x=1\n`;
  const url = new URL("http://localhost/hls/v1/master.m3u8?x=1");
  assert.deepEqual(choose(master("avc1.64001e,mp4a.40.2"), url), { url: url.href, silent: null });
  const silent = choose(master("avc1.64001e,alaw"), url);
  assert.equal(silent.url, "http://localhost/hls/v1/v.m3u8?x=1");
  assert.match(silent.silent, /alaw/);
  assert.throws(() => choose(master("hvc1.1.6.L93.B0,mp4a.40.2"), url), Unplayable);
  assert.throws(() => choose(master("alaw"), url), Unplayable);
});

/** A server with fragments of one second at these times; notes what it is asked. */
class Stub {
  asked = [];

  constructor(starts, page = 3) {
    this.page = page;
    this.rows = starts.map((start, number) => ({
      FragmentNumber: String(number).padStart(47, "0"),
      FragmentSizeInBytes: 10,
      ProducerTimestamp: start / 1000,
      ServerTimestamp: start / 1000 + 0.5,
      FragmentLengthInMilliseconds: 1000,
    }));
  }

  now() {
    return 10_000_000;
  }

  async call(path, { MaxResults = 100, NextToken, FragmentSelector }) {
    assert.equal(path, "/listFragments");
    this.asked.push(FragmentSelector);
    const field = FragmentSelector?.FragmentSelectorType === "SERVER_TIMESTAMP" ? "ServerTimestamp" : "ProducerTimestamp";
    const { StartTimestamp = -Infinity, EndTimestamp = Infinity } = FragmentSelector?.TimestampRange ?? {};
    const found = this.rows.filter((row) => row[field] >= StartTimestamp && row[field] <= EndTimestamp);
    const from = Number(NextToken ?? 0);
    const to = from + Math.min(MaxResults, this.page);
    return { Fragments: found.slice(from, to), NextToken: to < found.length ? String(to) : undefined };
  }

  async *pages(path, input) {
    let token;
    do {
      const page = await this.call(path, { ...input, NextToken: token });
      yield page;
      token = page.NextToken;
    } while (token);
  }
}

const seconds = (from, to) => Array.from({ length: to - from }, (_, at) => (from + at) * 1000);

for (const axis of ["PRODUCER_TIMESTAMP", "SERVER_TIMESTAMP"]) {
  test(`a recording finds its two ends and pages through the rest, by ${axis}`, async () => {
    const stub = new Stub([...seconds(100, 110), ...seconds(5000, 5007)]);
    const recording = new Recording(stub, "cam", axis);
    await recording.open();
    const { fragments } = recording;
    assert.equal(fragments.first.produced, 100_000);
    assert.equal(fragments.last.produced, 5_006_000);
    const asked = stub.asked.length;
    assert.ok(asked < 30, `${asked} questions`);
    assert.deepEqual(await recording.load(0, 6_000_000), { whole: true });
    assert.equal(fragments.count, 17);
    const [gap] = fragments.gaps(0, 6_000_000);
    assert.equal(gap.to - gap.from, 4_890_000);
    // What lies before the newest fragment is not asked for twice.
    stub.asked.length = 0;
    await recording.load(200_000, 5_000_000);
    assert.deepEqual(stub.asked, []);
  });
}

test("a recording follows what arrives, also what the camera recorded before", async () => {
  const stub = new Stub(seconds(1000, 1005));
  const recording = new Recording(stub, "cam", "PRODUCER_TIMESTAMP");
  await recording.open();
  await recording.load(0, 2_000_000);
  assert.equal(await recording.follow(), false);
  const late = new Stub([500_000]).rows[0];
  stub.rows.push({ ...late, FragmentNumber: "late", ServerTimestamp: 1006 });
  assert.equal(await recording.follow(), true);
  assert.equal(recording.fragments.first.number, "late");
});

test("a recording finds the fragment of a time, or the next", async () => {
  const recording = new Recording(new Stub([...seconds(100, 105), ...seconds(900, 905)]), "cam", "PRODUCER_TIMESTAMP");
  assert.equal((await recording.find(102_500)).start, 102_000);
  assert.equal((await recording.find(300_000)).start, 900_000);
  assert.equal(await recording.find(2_000_000), null);
});

test("an empty stream is open at once", async () => {
  const recording = new Recording(new Stub([]), "cam", "PRODUCER_TIMESTAMP");
  await recording.open();
  assert.equal(recording.fragments.count, 0);
  assert.equal(await recording.follow(), false);
});
