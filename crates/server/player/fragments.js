// What is known of the fragments of a stream on one of its two time axes: in the order of their times,
// with the gaps between them. A fragment is `{number, start, end, bytes, tags}`.

/** The first place in `list` whose element is not before the sought one. */
function search(list, isBefore) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(list[middle])) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Fragments {
  #list = [];
  #numbers = new Set();
  // What was asked for, as ranges without their ends, apart from each other and in order.
  #known = [];
  #spans = null;
  #tagged = null;
  // Longest fragment: how far before a time its fragment may start.
  #longest = 0;

  /** `tolerance` is the longest silence between two fragments that is no gap. */
  constructor(tolerance) {
    this.tolerance = tolerance;
  }

  get count() {
    return this.#list.length;
  }

  get first() {
    return this.#list[0] ?? null;
  }

  get last() {
    return this.#list.at(-1) ?? null;
  }

  /** Adds fragments, each once; says how many are new. */
  add(fragments) {
    const added = fragments.filter(({ number }) => !this.#numbers.has(number));
    if (added.length === 0) return 0;
    for (const fragment of added) {
      this.#numbers.add(fragment.number);
      this.#longest = Math.max(this.#longest, fragment.end - fragment.start);
    }
    const order = (a, b) => a.start - b.start || (a.number < b.number ? -1 : 1);
    added.sort(order);
    const last = this.last;
    this.#list.push(...added);
    if (last && order(last, added[0]) > 0) this.#list.sort(order);
    this.#spans = null;
    this.#tagged = null;
    return added.length;
  }

  /** Notes that everything from `from` to `to` was asked for. */
  learn(from, to) {
    if (to <= from) return;
    const apart = this.#known.filter((range) => range.to < from || range.from > to);
    const joined = this.#known.filter((range) => range.to >= from && range.from <= to);
    const range = {
      from: Math.min(from, ...joined.map((range) => range.from)),
      to: Math.max(to, ...joined.map((range) => range.to)),
    };
    this.#known = [...apart, range].sort((a, b) => a.from - b.from);
  }

  /** What of `from` to `to` was not asked for yet. */
  missing(from, to) {
    const missing = [];
    for (const known of this.#known) {
      if (known.to <= from) continue;
      if (known.from >= to) break;
      if (known.from > from) missing.push({ from, to: known.from });
      from = Math.max(from, known.to);
    }
    if (from < to) missing.push({ from, to });
    return missing;
  }

  /** The fragment that plays at a time; where two do, the one that came last. */
  at(time) {
    let at = search(this.#list, (fragment) => fragment.start <= time) - 1;
    for (; at >= 0 && this.#list[at].start + this.#longest >= time; at -= 1) {
      if (this.#list[at].end > time) return this.#list[at];
    }
    return null;
  }

  /** The first fragment that starts at `time` or later. */
  after(time) {
    return this.#list[search(this.#list, (fragment) => fragment.start < time)] ?? null;
  }

  /** The last fragment that starts before `time`. */
  before(time) {
    return this.#list[search(this.#list, (fragment) => fragment.start < time) - 1] ?? null;
  }

  /** Fragments that play between two times, in order. */
  between(from, to) {
    const first = search(this.#list, (fragment) => fragment.start < from - this.#longest);
    const end = search(this.#list, (fragment) => fragment.start < to);
    return this.#list.slice(first, end).filter((fragment) => fragment.end > from);
  }

  /** Uninterrupted times that were recorded, as far as they are known: `{from, to, count}`. */
  spans(from, to) {
    this.#spans ??= this.#join();
    const first = search(this.#spans, (span) => span.to <= from);
    const end = search(this.#spans, (span) => span.from < to);
    return this.#spans.slice(first, end);
  }

  /** Silences between two recorded times, where all between them is known. */
  gaps(from, to) {
    const spans = this.spans(-Infinity, Infinity);
    const first = Math.max(search(spans, (span) => span.to < from), 1);
    const gaps = [];
    for (let at = first; at < spans.length && spans[at - 1].to < to; at += 1) {
      const gap = { from: spans[at - 1].to, to: spans[at].from };
      if (gap.to > from && this.missing(gap.from, gap.to).length === 0) gaps.push(gap);
    }
    return gaps;
  }

  /** Fragments with tags that start between two times. */
  tagged(from, to) {
    this.#tagged ??= this.#list.filter((fragment) => fragment.tags.length > 0);
    const first = search(this.#tagged, (fragment) => fragment.start < from);
    const end = search(this.#tagged, (fragment) => fragment.start < to);
    return this.#tagged.slice(first, end);
  }

  #join() {
    const spans = [];
    for (const { start, end } of this.#list) {
      const last = spans.at(-1);
      if (last && start <= last.to + this.tolerance) {
        last.to = Math.max(last.to, end);
        last.count += 1;
      } else {
        spans.push({ from: start, to: end, count: 1 });
      }
    }
    return spans;
  }
}
