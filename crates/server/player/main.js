// The page: joins the list of streams, what plays, the timeline and the clip, and takes the keys.

import { Api } from "./api.js";
import { Chart } from "./chart.js";
import { Clip } from "./clip.js";
import { Keys } from "./keys.js";
import { Playback } from "./playback.js";
import { Recording } from "./recording.js";
import { Streams, address, read } from "./streams.js";
import * as timeline from "./timeline.js";
import { clock, day, moment, parse, span } from "./times.js";

const FRESH = 2000;
const TICK = 100;
const LOOK = 150;
// What is in view at first.
const RECENT = 10 * 60_000;
// A camera whose newest fragment is no older sends now.
const LIVE = 15_000;
const TAGS_LISTED = 200;

const $ = (id) => document.getElementById(id);

const keys = new Keys();
const api = new Api(keys);
const streams = new Streams(api);
const playback = new Playback(api, $("video"));
const chart = new Chart($("timeline"));
const clip = new Clip(api);

let recording = null;
// The picture shown is kept in view until the visitor looks elsewhere.
let follows = true;
let looking = null;
// Until it is done, the ends of the recording are not known.
let opening = Promise.resolve();

// ---- The stream that is chosen ----

async function choose() {
  const { stream, time } = read(location.hash);
  if (!stream) return;
  if (recording?.stream === stream && time === null && playback.isLive) return;
  if (recording?.stream === stream) return time === null ? playback.live() : playback.seek(time);
  await use(stream, time);
}

async function use(stream, time) {
  recording = new Recording(api, stream, $("axis").value);
  const mine = recording;
  streams.mark(stream);
  document.title = `${stream} – Afflux`;
  $("name").textContent = stream;
  $("timeline-section").hidden = false;
  for (const control of document.querySelectorAll("#controls button, #controls select")) control.disabled = false;
  playback.use(recording);
  clip.use(recording);
  follows = true;
  chart.show({ fragments: recording.fragments, position: null });
  if (time === null) playback.live();
  else playback.seek(time);
  try {
    opening = recording.open();
    await opening;
    if (recording !== mine) return;
    const last = time ?? recording.fragments.last?.end ?? api.now();
    const first = recording.fragments.first?.start ?? last;
    chart.look(timeline.fit(Math.max(first, last - RECENT), last));
  } catch (error) {
    if (recording === mine) $("summary").textContent = error.message;
  }
}

addEventListener("hashchange", choose);
keys.addEventListener("change", () => location.reload());
$("axis").addEventListener("change", () => {
  // The picture that is shown stays; its time on the other axis is another.
  const time = playback.isLive ? null : playback.time;
  const fragment = time === null ? null : recording.fragments.at(time);
  const start = fragment && ($("axis").value === "PRODUCER_TIMESTAMP" ? fragment.produced : fragment.arrived);
  use(recording.stream, start);
});

// ---- What plays ----

playback.addEventListener("change", () => {
  const { kind, mode, text } = playback.state;
  const state = $("state");
  if (state.textContent !== text) state.textContent = text;
  Object.assign(state.dataset, { state: kind, mode: mode ?? "", errors: playback.errorCount, details: playback.errors.join(" ") });
  const covered = ["absent", "failed"].includes(kind);
  $("cover").hidden = !covered;
  $("cover").textContent = covered ? text : "";
  $("play").textContent = ["playing", "waiting", "opening"].includes(kind) ? "Pause" : "Play";
  $("live").setAttribute("aria-pressed", playback.isLive);
  // Live plays at the camera's own speed.
  $("rate").disabled = playback.isLive;
  if (playback.isLive && playback.rate !== 1) playback.rate = Number(($("rate").value = "1"));
});

function tell() {
  const time = playback.time;
  const live = playback.isLive;
  $("clock").textContent = time === null ? "" : `${day(time)} ${clock(time, { millis: true })}`;
  if (time !== null) $("clock").dateTime = new Date(time).toISOString();
  const behind = time === null ? 0 : api.now() - time;
  const known = live && playback.state.kind === "playing" && time !== null;
  $("latency").textContent = known ? `${span(Math.max(behind, 0))} behind ${$("axis").selectedOptions[0].text}` : "";
  if (time === null) return;
  if (follows && !playback.state.kind.startsWith("paused")) {
    const view = timeline.reveal(chart.view, time, 0.05);
    if (view !== chart.view) chart.look(view);
  }
  chart.show({ position: time, mode: playback.state.mode });
}

setInterval(() => !document.hidden && recording && tell(), TICK);

async function refresh() {
  const mine = recording;
  if (mine && !document.hidden && mine.fragments.count > 0) {
    try {
      if (await mine.follow()) describe();
    } catch {
      // Playback says what is wrong; the next time comes soon.
    }
  } else if (mine && !document.hidden && playback.isLive) {
    await mine.open().catch(() => {});
  }
  setTimeout(refresh, FRESH);
}
setTimeout(refresh, FRESH);

function live() {
  follows = true;
  // The same stream without a time: a page that is opened again plays live, too.
  history.replaceState(null, "", address(recording.stream));
  return playback.live();
}

async function seek(time) {
  if (!recording) return;
  const { last } = recording.fragments;
  if (last && time >= last.end) {
    if (api.now() - last.end < LIVE) return live();
    time = last.start;
  }
  follows = true;
  const view = timeline.reveal(chart.view, time);
  if (view !== chart.view) chart.look(view);
  chart.show({ position: time });
  history.replaceState(null, "", address(recording.stream, time));
  await playback.seek(time);
}

const skip = (millis) => playback.time !== null && playback.skip(millis);

// ---- The timeline ----

chart.addEventListener("seek", ({ detail }) => seek(detail));
chart.addEventListener("choose", ({ detail }) => clip.choose(detail));
chart.addEventListener("view", () => {
  clearTimeout(looking);
  looking = setTimeout(look, LOOK);
});
$("timeline").addEventListener("pointerdown", () => (follows = false));
$("timeline").addEventListener("wheel", () => (follows = false), { passive: true });
clip.addEventListener("choose", () => chart.show({ chosen: clip.range }));

let aborted = new AbortController();

/** Asks for what the view shows and is not known yet. */
async function look() {
  aborted.abort();
  aborted = new AbortController();
  const { signal } = aborted;
  const { from, to } = chart.view;
  try {
    const { whole } = await recording.load(from, to, { signal, progress: describe });
    describe();
    if (!whole) $("summary").textContent += " · zoom in to see all";
  } catch (error) {
    if (!signal.aborted) $("summary").textContent = error.message;
  }
}

function describe() {
  chart.draw();
  $("summary").textContent = chart.summary();
  const { from, to } = chart.view;
  const tagged = recording.fragments.tagged(from, to);
  $("tags-count").textContent = tagged.length;
  const named = tagged.slice(0, TAGS_LISTED);
  const shown = named.map((fragment) => fragment.number).join();
  if ($("tags").dataset.shown === shown) return;
  $("tags").dataset.shown = shown;
  $("tags").replaceChildren(...named.map(tagItem));
}

function tagItem(fragment) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  const tags = fragment.tags.map(({ name, value }) => (value ? `${name} = ${value}` : name));
  button.textContent = `${moment(fragment.start)}  ${tags.join(", ")}`;
  button.addEventListener("click", () => seek(fragment.start));
  item.append(button);
  return item;
}

/** To the next fragment with tags, or the one before. */
function tag(direction) {
  const at = playback.time ?? chart.view.to;
  const { fragments } = recording;
  // While it plays, the tag that was just gone to is not the one before.
  const found = direction > 0
    ? fragments.tagged(at + 1, Infinity)[0]
    : fragments.tagged(-Infinity, at - 1500).at(-1);
  if (found) seek(found.start);
}

function gap() {
  const at = playback.time ?? chart.view.from;
  const [next] = recording.fragments.gaps(at, Infinity);
  if (next) seek(next.to);
}

async function edge(which) {
  const { first, last } = recording.fragments;
  if (which === "first" && first) await seek(first.start);
  if (which === "last" && last) await seek(last.start);
}

async function fit() {
  await opening.catch(() => {});
  const { first, last } = recording.fragments;
  follows = false;
  if (first) chart.look(timeline.fit(first.start, Math.max(last.end, playback.time ?? 0)));
}

function zoom(factor) {
  chart.zoom(factor);
}

function move(share) {
  follows = false;
  chart.look(timeline.pan(chart.view, share * timeline.width(chart.view)));
}

function mark(edge) {
  const time = playback.time;
  if (time !== null) clip.choose({ [edge]: Math.round(time) });
}

// ---- Buttons and keys ----

async function toggle() {
  if (["idle", "failed", "absent"].includes(playback.state.kind)) await live();
  else playback.toggle();
}

function sound() {
  const video = $("video");
  video.muted = !video.muted;
  $("sound").setAttribute("aria-pressed", !video.muted);
}

function full() {
  if (document.fullscreenElement) document.exitFullscreen();
  else $("stage").requestFullscreen();
}

function help() {
  $("help").open = !$("help").open;
  if ($("help").open) $("help").scrollIntoView({ block: "nearest" });
}

const BUTTONS = {
  play: toggle,
  live,
  back: () => skip(-10_000),
  forth: () => skip(10_000),
  sound,
  full,
  "zoom-in": () => zoom(0.5),
  "zoom-out": () => zoom(2),
  fit,
  "gap-next": gap,
  "clip-in": () => mark("from"),
  "clip-out": () => mark("to"),
};

const KEYS = {
  " ": toggle,
  l: live,
  j: BUTTONS.back,
  k: BUTTONS.forth,
  arrowleft: () => skip(-1000),
  arrowright: () => skip(1000),
  ",": () => playback.step(-1),
  ".": () => playback.step(1),
  home: () => edge("first"),
  end: () => edge("last"),
  n: () => tag(1),
  p: () => tag(-1),
  g: gap,
  "+": BUTTONS["zoom-in"],
  "=": BUTTONS["zoom-in"],
  "-": BUTTONS["zoom-out"],
  0: fit,
  pageup: () => move(-0.5),
  pagedown: () => move(0.5),
  i: BUTTONS["clip-in"],
  o: BUTTONS["clip-out"],
  d: () => clip.save(),
  m: sound,
  f: full,
};

for (const [id, action] of Object.entries(BUTTONS)) $(id).addEventListener("click", action);
$("rate").addEventListener("change", () => (playback.rate = Number($("rate").value)));
$("jump").addEventListener("submit", (event) => {
  event.preventDefault();
  const time = parse($("jump-time").value);
  if (time === null) return;
  if (time < chart.view.from || time > chart.view.to) chart.look(timeline.around(chart.view, time));
  seek(time);
});

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  // Fields and lists have their own use for keys, links and buttons for some.
  const target = event.target.closest("input, select, textarea, dialog, a, button, summary");
  if (target?.matches("input, select, textarea, dialog")) return;
  if (target && (event.key === "Enter" || (event.key === " " && !target.matches("a")))) return;
  const common = { "/": () => streams.find(), "?": help }[event.key];
  const action = common ?? (recording && KEYS[event.key.toLowerCase()]);
  if (!action) return;
  event.preventDefault();
  action();
});

await streams.refresh();
choose();
