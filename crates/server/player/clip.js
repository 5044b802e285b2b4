// Clips: a range of what was recorded, as a file.

import { bytes, clock, day, field, parse, span, toApi } from "./times.js";

// What the API puts into one clip.
const FRAGMENTS_MAX = 200;
const BYTES_MAX = 100e6;

/** The form of the clip. It tells by `choose` that its range is another. */
export class Clip extends EventTarget {
  #api;
  #form = document.querySelector("#clip");
  #from = document.querySelector("#clip-from");
  #to = document.querySelector("#clip-to");
  #save = document.querySelector("#clip-save");
  #note = document.querySelector("#clip-note");
  #recording = null;

  constructor(api) {
    super();
    this.#api = api;
    for (const input of [this.#from, this.#to]) input.addEventListener("input", () => this.#chosen());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#download();
    });
  }

  /** The chosen range; null if it is not one. */
  get range() {
    const [from, to] = [parse(this.#from.value), parse(this.#to.value)];
    return from !== null && to !== null && from < to ? { from, to } : null;
  }

  use(recording) {
    this.#recording = recording;
    this.#from.value = "";
    this.#to.value = "";
    this.#say("");
    this.#chosen();
  }

  choose({ from = parse(this.#from.value), to = parse(this.#to.value) }) {
    if (from !== null) this.#from.value = field(from);
    if (to !== null) this.#to.value = field(to);
    this.#chosen();
  }

  save() {
    this.#form.requestSubmit();
  }

  #chosen() {
    const { range } = this;
    const wrong = this.#from.value && this.#to.value && !range;
    this.#to.setCustomValidity(wrong ? "The clip ends before it starts" : "");
    this.#say(range ? this.#expect(range) : "");
    this.dispatchEvent(new Event("choose"));
  }

  /** What a clip of the range will be, as far as its fragments are known. */
  #expect({ from, to }) {
    const held = this.#recording?.fragments.between(from, to) ?? [];
    let size = 0;
    for (const [count, fragment] of held.entries()) {
      size += fragment.bytes;
      if (count >= FRAGMENTS_MAX || size > BYTES_MAX) {
        const limit = `${FRAGMENTS_MAX} fragments or ${bytes(BYTES_MAX)}`;
        return `A clip has at most ${limit}: it ends at ${clock(fragment.start)}`;
      }
    }
    return held.length ? `${span(to - from)}, about ${bytes(size)}` : span(to - from);
  }

  async #download() {
    const { range } = this;
    const { stream, axis } = this.#recording;
    if (!range || this.#save.disabled) return;
    this.#save.disabled = true;
    this.#say("Cutting…");
    try {
      const answer = await this.#api.media("/getClip", {
        StreamName: stream,
        ClipFragmentSelector: {
          FragmentSelectorType: axis,
          TimestampRange: { StartTimestamp: toApi(range.from), EndTimestamp: toApi(range.to) },
        },
      });
      const file = await this.#receive(answer);
      hand(file, `${stream}-${day(range.from)}-${clock(range.from).replaceAll(":", "")}.mp4`);
      this.#say(`Downloaded ${bytes(file.size)}`);
    } catch (error) {
      this.#say(`No clip: ${error.message}`);
    } finally {
      this.#save.disabled = false;
    }
  }

  async #receive(answer) {
    const whole = Number(answer.headers.get("content-length"));
    const pieces = [];
    let size = 0;
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      size += value.length;
      this.#note.textContent = `Downloading ${bytes(size)}${whole ? ` of ${bytes(whole)}` : ""}`;
    }
    return new Blob(pieces, { type: "video/mp4" });
  }

  #say(text) {
    this.#note.textContent = text;
  }
}

/** Gives the visitor a file. */
function hand(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
