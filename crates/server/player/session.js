// One HLS session in the video element: live, or a range of what was recorded.

import { toApi } from "./times.js";

const { Hls } = globalThis;

const EXPIRES = 43_200;
const LIVE_FRAGMENTS = 10;
// Seconds behind live beyond what the server asks for: what a network may be late without a stop.
const MARGIN = 1;
const RECORDED_FRAGMENTS = 5000;

/** A stream that this browser cannot show, whatever is tried. */
export class Unplayable extends Error {}

export class Session extends EventTarget {
  #hls;
  #video;
  #details = null;
  #isReady = false;
  #isShown = false;
  #at;
  #recovered = 0;

  /** `range` is `{from, to}` of what was recorded; live without it. */
  static async open(api, video, { stream, axis, range, at, signal }) {
    if (!Hls?.isSupported()) throw new Unplayable("This browser has no Media Source Extensions: it cannot play HLS here.");
    const input = {
      StreamName: stream,
      PlaybackMode: range ? "ON_DEMAND" : "LIVE",
      ContainerFormat: "FRAGMENTED_MP4",
      // Arrivals do not follow each other to the sample as the camera's own times do.
      DiscontinuityMode: axis === "PRODUCER_TIMESTAMP" ? "ON_DISCONTINUITY" : "ALWAYS",
      DisplayFragmentTimestamp: "ALWAYS",
      Expires: EXPIRES,
      MaxMediaPlaylistFragmentResults: range ? RECORDED_FRAGMENTS : LIVE_FRAGMENTS,
      HLSFragmentSelector: { FragmentSelectorType: axis },
    };
    if (range) {
      const times = { StartTimestamp: toApi(Math.floor(range.from)), EndTimestamp: toApi(Math.ceil(range.to)) };
      input.HLSFragmentSelector.TimestampRange = times;
    }
    const answer = await api.call("/getHLSStreamingSessionURL", input, { signal });
    // The server may know itself under another name than the browser does.
    const { pathname, search } = new URL(answer.HLSStreamingSessionURL);
    const master = pathname + search;
    const response = await fetch(master, { signal });
    if (!response.ok) throw new Error(await response.text());
    const { url, silent } = choose(await response.text(), new URL(master, location.href));
    return new Session(video, { url, silent, at, live: !range });
  }

  constructor(video, { url, silent, at, live }) {
    super();
    this.live = live;
    /** Why there is no sound, if the browser is the reason. */
    this.silent = silent;
    this.#video = video;
    this.#at = at ?? null;
    video.addEventListener("loadeddata", this.#show);
    this.#hls = new Hls({
      // Fragments are played as they are: there is no work for another thread.
      enableWorker: false,
      enableInterstitialPlayback: false,
      lowLatencyMode: live,
      backBufferLength: 60,
      maxBufferLength: live ? 20 : 30,
      liveDurationInfinity: true,
      ...(at !== undefined && { pLoader: startingAt(at) }),
      maxLiveSyncPlaybackRate: 1.2,
    });
    const { Events } = Hls;
    this.#hls.on(Events.LEVEL_UPDATED, (_, { details }) => this.#loaded(details, at));
    this.#hls.on(Events.FRAG_BUFFERED, () => this.#prepare());
    this.#hls.on(Events.ERROR, (_, data) => this.#failed(data));
    this.#hls.loadSource(url);
    this.#hls.attachMedia(video);
  }

  close() {
    this.#video.removeEventListener("loadeddata", this.#show);
    this.#hls.destroy();
  }

  #show = () => {
    this.#isShown = true;
  };

  /** Whether it waits for the server, and not for the camera. */
  get isStuck() {
    return !this.#isShown && (this.#isReady || this.#details === null);
  }

  /** The time of the picture shown, milliseconds since 1970; before there is one, the time asked for. */
  get time() {
    if (!this.#isShown) return this.#at;
    const found = this.#fragment((fragment) => fragment.start <= this.#video.currentTime);
    if (!found) return null;
    return found.programDateTime + (this.#video.currentTime - found.start) * 1000;
  }

  /** Shows the picture of a time if the session has it. */
  seek(time) {
    const at = this.#isShown ? this.#place(time) : null;
    if (at === null) return false;
    this.#video.currentTime = at;
    return true;
  }

  /** Moves to the newest picture that plays without waiting, if it is not near. */
  catchUp() {
    const { latency, targetLatency, liveSyncPosition } = this.#hls;
    if (liveSyncPosition && latency > targetLatency + MARGIN) this.#video.currentTime = liveSyncPosition;
  }

  /** The end of the session, by the stream's time. */
  get end() {
    const last = this.#details?.fragments.at(-1);
    return last ? ends(last) : null;
  }

  /** What a frame of the picture takes, in seconds, about. */
  get frame() {
    return 1 / (this.#hls.levels?.[0]?.frameRate || 25);
  }

  #loaded(details, at) {
    this.#details = details;
    if (this.#isReady) return;
    const { fragments } = details;
    if (at !== undefined && !fragments.some((fragment) => ends(fragment) > at)) {
      this.dispatchEvent(new CustomEvent("beyond", { detail: at }));
      return;
    }
    this.#prepare();
  }

  /** Says that it may play. A camera that has just begun has nothing yet to live on meanwhile. */
  #prepare() {
    const details = this.#details;
    if (this.#isReady || !details) return;
    if (details.live) {
      const { partHoldBack, holdBack, targetduration, totalduration } = details;
      const least = (partHoldBack || holdBack || 3 * targetduration) + MARGIN;
      this.#hls.targetLatency = least;
      if (totalduration < least || this.#ahead < targetduration + MARGIN) return;
    }
    this.#isReady = true;
    this.dispatchEvent(new Event("ready"));
  }

  /** Seconds that play without another answer. */
  get #ahead() {
    const { buffered, currentTime } = this.#video;
    const last = buffered.length - 1;
    return last < 0 ? 0 : buffered.end(last) - Math.max(currentTime, buffered.start(last));
  }

  /** Where in the video element a time is; null if nothing of it is in the session. */
  #place(time) {
    const found = this.#fragment((fragment) => fragment.programDateTime <= time);
    if (!found) return null;
    const into = (time - found.programDateTime) / 1000;
    return into >= 0 && into < found.duration ? found.start + into : null;
  }

  /** The last fragment that is so, or else the first one. */
  #fragment(isSo) {
    const fragments = this.#details?.fragments;
    return fragments?.findLast((fragment) => fragment.programDateTime && isSo(fragment)) ?? fragments?.[0] ?? null;
  }

  #failed(data) {
    const { fatal, type, details } = data;
    // What hls.js gave up itself, because somebody moved on.
    if (details === Hls.ErrorDetails.INTERNAL_ABORTED) return;
    if (fatal && type === Hls.ErrorTypes.MEDIA_ERROR && this.#recovered < 2) {
      this.#recovered += 1;
      this.#hls.recoverMediaError();
    } else if (fatal) {
      this.dispatchEvent(new CustomEvent("lost", { detail: `${details}${data.response ? ` (${data.response.code})` : ""}` }));
    }
    this.dispatchEvent(new CustomEvent("trouble", { detail: `${details} (${data.error?.message ?? type})` }));
  }
}

const ends = (fragment) => fragment.programDateTime + fragment.duration * 1000;

/** Loads playlists as if they said themselves to start with the picture of a time, or the next one. */
function startingAt(time) {
  return class extends Hls.DefaultConfig.loader {
    load(context, config, callbacks) {
      const onSuccess = (response, ...rest) => {
        response.data = begin(response.data, time);
        callbacks.onSuccess(response, ...rest);
      };
      super.load(context, config, context.type === "manifest" ? callbacks : { ...callbacks, onSuccess });
    }
  };
}

/** A media playlist that starts with the picture of a time. */
export function begin(playlist, time) {
  let start = 0;
  let date = null;
  for (const line of playlist.split("\n")) {
    if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) {
      date = Date.parse(line.slice(line.indexOf(":") + 1));
    } else if (line.startsWith("#EXTINF:") && date !== null) {
      const length = Number.parseFloat(line.slice("#EXTINF:".length));
      if (date + length * 1000 > time) {
        const offset = start + Math.max(time - date, 0) / 1000;
        return playlist.replace("#EXTM3U", `#EXTM3U\n#EXT-X-START:TIME-OFFSET=${offset.toFixed(3)},PRECISE=YES`);
      }
      start += length;
      date += length * 1000;
    }
  }
  return playlist;
}

/**
 * What of a master playlist this browser plays: the playlist itself, or, if only the sound is in its
 * way, the pictures alone.
 */
export function choose(text, url) {
  const lines = text.split("\n").map((line) => line.trim());
  const at = lines.findIndex((line) => line.startsWith("#EXT-X-STREAM-INF:"));
  const codecs = /CODECS="([^"]*)"/.exec(lines[at] ?? "")?.[1]?.split(",").filter(Boolean) ?? [];
  const unknown = codecs.filter((codec) => !plays(codec));
  if (unknown.length === 0) return { url: url.href, silent: null };
  const names = unknown.join(", ");
  const separate = lines.some((line) => line.startsWith("#EXT-X-MEDIA:") && line.includes("TYPE=AUDIO"));
  const pictures = codecs.some((codec) => isVideo(codec) && plays(codec));
  if (!separate || !pictures || unknown.some(isVideo)) {
    throw new Unplayable(`This browser cannot play ${names}. A clip of it can be downloaded.`);
  }
  const playlist = lines.slice(at + 1).find((line) => line && !line.startsWith("#"));
  return { url: new URL(playlist, url).href, silent: `this browser cannot play ${names}` };
}

const isVideo = (codec) => /^(avc|hvc|hev|av01|vp0|dvh)/.test(codec);

const plays = (codec) =>
  MediaSource.isTypeSupported(`${isVideo(codec) ? "video" : "audio"}/mp4; codecs="${codec}"`);
