// One stream on one time axis: asks the server for its fragments, no more of them than somebody looks at.

import { Fragments } from "./fragments.js";
import { fromApi, toApi } from "./times.js";

const MINUTE = 60_000;
// 2100-01-01, for ranges without an end.
const END_OF_TIME = 4_102_444_800_000;
const PAGE = 1000;
// Pages of one look: 40,000 fragments, which is a day of two-second ones.
const PAGES_MAX = 40;
// A fragment that plays at a time may have started so long before.
const FRAGMENT_MAX = 20_000;
// Fragments of one camera follow each other by its clock to the sample; arrivals wait for networks.
const TOLERANCE = { PRODUCER_TIMESTAMP: 200, SERVER_TIMESTAMP: 3000 };

export class Recording {
  #api;
  // When the newest fragment arrived that is known of.
  #arrived = 0;

  constructor(api, stream, axis) {
    this.#api = api;
    this.stream = stream;
    this.axis = axis;
    this.fragments = new Fragments(TOLERANCE[axis]);
  }

  /** Finds the first and the newest fragments. */
  async open(options) {
    const first = await this.#list({ MaxResults: 1 }, options);
    if (first.length === 0) return;
    this.#add(first);
    this.#add(await this.#newest(fromApi(first[0].ServerTimestamp), options));
  }

  /** Asks for what is not known of a range yet; `progress` is called after each page. */
  async load(from, to, { signal, progress } = {}) {
    let pages = 0;
    // The newest end may still grow: what follows it is not known for good.
    const known = this.fragments.last?.start ?? 0;
    for (const missing of this.fragments.missing(from - FRAGMENT_MAX, to)) {
      const asked = this.#pages(this.axis, missing.from, missing.to, { signal });
      let seen = missing.from;
      for await (const { Fragments: rows } of asked) {
        const own = this.#add(rows);
        for (const fragment of own) seen = Math.max(seen, fragment.start + 1);
        pages += 1;
        progress?.();
        if (pages >= PAGES_MAX) {
          this.fragments.learn(missing.from, seen);
          return { whole: false };
        }
      }
      const newest = Math.max(known, this.fragments.last?.start ?? 0);
      this.fragments.learn(missing.from, Math.min(missing.to, Math.max(newest, missing.from)));
    }
    return { whole: true };
  }

  /** Asks for what arrived since the newest known fragment did; says whether anything has. */
  async follow(options) {
    const last = this.fragments.last;
    if (!last) {
      await this.open(options);
      return this.fragments.count > 0;
    }
    // By arrival, also on the camera's axis: a camera may send now what it recorded long ago.
    const before = this.fragments.count;
    const asked = this.#pages("SERVER_TIMESTAMP", this.#arrived, this.#soon(), options);
    for await (const { Fragments: rows } of asked) this.#add(rows);
    this.fragments.learn(last.start, this.fragments.last.start + 1);
    return this.fragments.count > before;
  }

  /** The fragment that plays at a time, or else the next one; null if nothing follows. */
  async find(time, options) {
    const known = this.fragments.at(time);
    if (known) return known;
    const from = time - FRAGMENT_MAX;
    const near = await this.#list(this.#range(this.axis, from, time), options);
    this.#add(near);
    const playing = this.fragments.at(time);
    if (playing) return playing;
    const input = { ...this.#range(this.axis, Math.ceil(time), END_OF_TIME), MaxResults: 1 };
    const [next] = this.#add(await this.#list(input, options));
    return next ?? null;
  }

  /** The last fragments before the end of the log, by the order in which they came. */
  async #newest(first, options) {
    // Nothing comes after the server's own time; the first range that holds anything has the newest.
    let to = this.#soon();
    let from = to - 2 * MINUTE;
    for (let width = 10 * MINUTE; !(await this.#has(from, to, options)); width *= 8) {
      if (from <= first) return [];
      to = from;
      from = Math.max(from - width, first);
    }
    while (to - from > 2 * MINUTE) {
      const middle = Math.round((from + to) / 2);
      if (await this.#has(middle, to, options)) from = middle;
      else to = middle;
    }
    const rows = [];
    for await (const page of this.#pages("SERVER_TIMESTAMP", from, to, options)) {
      rows.push(...page.Fragments);
    }
    return rows;
  }

  async #has(from, to, options) {
    const input = { ...this.#range("SERVER_TIMESTAMP", from, to), MaxResults: 1 };
    return (await this.#list(input, options)).length > 0;
  }

  /** After everything that has arrived. */
  #soon() {
    return this.#api.now() + MINUTE;
  }

  #range(axis, from, to) {
    return {
      FragmentSelector: {
        FragmentSelectorType: axis,
        TimestampRange: { StartTimestamp: toApi(Math.max(Math.floor(from), 0)), EndTimestamp: toApi(Math.ceil(to)) },
      },
    };
  }

  #pages(axis, from, to, options) {
    const input = { StreamName: this.stream, ...this.#range(axis, from, to), MaxResults: PAGE };
    return this.#api.pages("/listFragments", input, options);
  }

  async #list(input, options) {
    const answer = await this.#api.call("/listFragments", { StreamName: this.stream, ...input }, options);
    return answer.Fragments;
  }

  #add(rows) {
    const own = rows.map((row) => this.#own(row));
    for (const row of rows) this.#arrived = Math.max(this.#arrived, fromApi(row.ServerTimestamp));
    this.fragments.add(own);
    return own;
  }

  /** A fragment of the API on the axis. */
  #own(row) {
    const produced = fromApi(row.ProducerTimestamp);
    const arrived = fromApi(row.ServerTimestamp);
    const start = this.axis === "PRODUCER_TIMESTAMP" ? produced : arrived;
    return {
      number: row.FragmentNumber,
      produced,
      arrived,
      start,
      end: start + row.FragmentLengthInMilliseconds,
      bytes: row.FragmentSizeInBytes,
      tags: (row.Tags ?? []).map(({ Name, Value }) => ({ name: Name, value: Value })),
    };
  }
}
