// What plays: live or recorded, across the ends of sessions, gaps, and whatever breaks. It tells by
// `change` that `state` is another.

import { Refused } from "./api.js";
import { Session, Unplayable } from "./session.js";
import { moment } from "./times.js";

// What a session of recorded video holds: its playlist is fetched whole.
const BEFORE = 60_000;
const AFTER = 20 * 60_000;
// Waits between attempts; the last one goes on for ever.
const WAITS = [500, 1000, 2000, 4000, 8000];
// A session whose first picture takes longer is asked for again.
const PATIENCE = 10_000;
// Whoever has come so near to what is recorded now plays live.
const NEAR = 15_000;
const ERRORS_KEPT = 20;

export class Playback extends EventTarget {
  #api;
  #video;
  #session = null;
  #abort = null;
  #attempts = 0;
  #recording = null;
  // What stays when the session is another.
  #rate = 1;
  /** Somebody has asked for a still picture; also while a session for it is being opened. */
  #halted = false;
  /** `kind`: idle, opening, playing, paused, waiting, absent, failed; `mode`: live, recorded or null. */
  state = { kind: "idle", mode: null, text: "Nothing plays" };
  /** What hls.js has complained of. */
  errors = [];
  errorCount = 0;

  constructor(api, video) {
    super();
    this.#api = api;
    this.#video = video;
    video.addEventListener("playing", () => this.#runs());
    video.addEventListener("pause", () => !video.ended && this.#set("paused", "Paused"));
    video.addEventListener("waiting", () => this.#set("waiting", "Waiting for video"));
    video.addEventListener("ended", () => this.#ended());
  }

  /** The time of the picture shown; null if there is none. */
  get time() {
    return this.#session?.time ?? null;
  }

  get isLive() {
    return this.state.mode === "live";
  }

  get rate() {
    return this.#rate;
  }

  set rate(rate) {
    this.#rate = rate;
    this.#video.playbackRate = rate;
  }

  /** Plays a recording from now on; nothing if it is null. */
  use(recording) {
    this.#close();
    this.#recording = recording;
    this.#attempts = 0;
    this.#halted = false;
    this.#set("idle", "Nothing plays", null);
  }

  live() {
    this.#attempts = 0;
    this.#halted = false;
    return this.#open("live");
  }

  /** Shows the picture of a time; of the next that was recorded, if there is none. */
  async seek(time) {
    this.#attempts = 0;
    if (this.state.mode === "recorded" && this.#session?.seek(time)) return;
    await this.#open("recorded", time, this.#halted);
  }

  /** Moves by so many milliseconds from the picture shown. */
  async skip(millis) {
    const from = this.time;
    if (from === null) return;
    let to = from + millis;
    // Backwards over a gap, to what is before it; forwards `seek` finds the way.
    const { fragments } = this.#recording;
    if (millis < 0 && !fragments.at(to)) {
      const before = fragments.before(to);
      if (before) to = Math.max(before.start, before.end - 1000);
    }
    await this.seek(to);
  }

  /** One picture on or back. */
  step(direction) {
    this.#halted = true;
    this.#video.pause();
    const to = this.#video.currentTime + direction * (this.#session?.frame ?? 0);
    this.#video.currentTime = Math.max(to, 0);
  }

  toggle() {
    if (!this.#session) return;
    this.#halted = !this.#video.paused;
    if (!this.#halted) {
      // What has passed meanwhile is on the timeline; live is now.
      if (this.isLive) this.#session.catchUp();
      this.#play();
    } else {
      this.#video.pause();
    }
  }

  async #open(mode, at, paused = false) {
    this.#close();
    const abort = new AbortController();
    this.#abort = abort;
    const { stream, axis } = this.#recording;
    this.#set("opening", mode === "live" ? "Opening live video" : `Opening ${moment(at)}`, mode);
    try {
      const { signal } = abort;
      const range = mode === "live" ? undefined : await this.#range(at, signal);
      const wanted = { stream, axis, range, at: range?.at, signal };
      const session = await Session.open(this.#api, this.#video, wanted);
      if (signal.aborted) return session.close();
      this.#take(session, mode, at, paused);
    } catch (error) {
      if (!abort.signal.aborted) this.#refused(error, mode, at);
    }
  }

  /** The range of a session that has the picture of a time, and the time itself if nothing is there. */
  async #range(time, signal) {
    const fragment = await this.#recording.find(time, { signal });
    if (!fragment) throw new Refused(404, "ResourceNotFoundException", `Nothing was recorded after ${moment(time)}`);
    const at = Math.max(time, fragment.start);
    // From behind the last gap: hls.js may wait for ever where the sound of what is before a gap reaches
    // a few milliseconds over its end, and playback starts there.
    const [span] = this.#recording.fragments.spans(fragment.start, fragment.end);
    const from = Math.max(at - BEFORE, span?.from ?? fragment.start);
    return { from: Math.min(from, fragment.start), to: at + AFTER, at };
  }

  #take(session, mode, at, paused) {
    this.#session = session;
    session.addEventListener("trouble", ({ detail }) => this.#note(detail));
    session.addEventListener("lost", ({ detail }) => this.#again(mode, this.time ?? at, `Playback broke: ${detail}`));
    session.addEventListener("beyond", ({ detail }) => this.#again(mode, detail, "The fragment has gone"));
    this.#video.defaultPlaybackRate = this.#rate;
    this.#video.playbackRate = this.#rate;
    const watch = setInterval(() => {
      if (this.#session !== session) clearInterval(watch);
      else if (session.isStuck) this.#again(mode, at, "No picture came");
    }, PATIENCE);
    session.addEventListener("ready", () => (paused ? this.#set("paused", "Paused") : this.#play()));
  }

  async #play() {
    try {
      await this.#video.play();
    } catch (error) {
      // A newer session has taken the element: that one plays.
      if (error.name !== "AbortError") this.#set("paused", "Press Play: the browser waits for it");
    }
  }

  #runs() {
    this.#attempts = 0;
    const text = this.isLive ? "Live" : "Recorded";
    this.#set("playing", this.#session?.silent ? `${text}, without sound: ${this.#session.silent}` : text);
  }

  #refused(error, mode, at) {
    if (error instanceof Unplayable) return this.#set("failed", error.message);
    const refused = error instanceof Refused;
    if (refused && error.isMissing) {
      if (mode === "recorded") return this.#set("absent", error.message);
      return this.#again(mode, at, "No camera sends video now", "absent");
    }
    // Another attempt gets the same answer.
    if (refused && error.status < 500) return this.#set("failed", error.message);
    return this.#again(mode, at, error.message);
  }

  /** Tries once more after a while, and so for ever: cameras and servers come back. */
  #again(mode, at, why, kind = "failed") {
    const session = this.#session;
    this.#session = null;
    session?.close();
    this.#set(kind, why, mode);
    const wait = WAITS[Math.min(this.#attempts, WAITS.length - 1)];
    this.#attempts += 1;
    const abort = this.#abort;
    setTimeout(() => !abort.signal.aborted && this.#open(mode, at), wait);
  }

  async #ended() {
    const session = this.#session;
    if (!session || session.live) return;
    const { end } = session;
    const abort = this.#abort;
    await this.#recording.follow({ signal: abort.signal }).catch(() => {});
    if (abort.signal.aborted || this.#session !== session) return;
    const next = this.#recording.fragments.after(end - 1);
    const isNear = this.#api.now() - end < NEAR;
    if (next && !isNear) {
      await this.#open("recorded", next.start);
    } else if (isNear) {
      await this.live();
    } else {
      this.#set("paused", "The end of what was recorded");
    }
  }

  #close() {
    this.#abort?.abort();
    const session = this.#session;
    this.#session = null;
    session?.close();
  }

  #note(details) {
    this.errorCount += 1;
    this.errors = [...this.errors, details].slice(-ERRORS_KEPT);
    this.dispatchEvent(new Event("change"));
  }

  #set(kind, text, mode = this.state.mode) {
    this.state = { kind, text, mode };
    this.dispatchEvent(new Event("change"));
  }
}
