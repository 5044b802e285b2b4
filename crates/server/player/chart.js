// Draws the timeline and takes the mouse and touches on it. What is drawn comes in by `show`; what the
// visitor wants goes out as events: `seek` and `choose` with times, `view` when the view has changed.

import * as timeline from "./timeline.js";
import { clock, day, moment, span } from "./times.js";

const LABEL = 16;
const BAND = { top: 26, height: 34 };
const TICKS_APART = 90;
// A press that moves no further is a click.
const CLICK = 4;
const DAY = 86_400_000;

export class Chart extends EventTarget {
  #canvas;
  #context;
  #colors = {};
  #drawn = 0;
  #press = null;
  #hover = null;
  view = timeline.fit(Date.now() - 600_000, Date.now());
  /** `{fragments, position, mode, chosen: {from, to} | null}` */
  shown = { fragments: null, position: null, mode: "idle", chosen: null };

  constructor(canvas) {
    super();
    this.#canvas = canvas;
    // For tests and for scripts of the console.
    canvas.view = () => this.view;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.draw()).observe(canvas);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.#paint());
    this.#paint();
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => (this.#press = null));
    canvas.addEventListener("pointerleave", () => this.#point(null));
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  show(shown) {
    Object.assign(this.shown, shown);
    this.#describe();
    this.draw();
  }

  look(view) {
    this.view = view;
    this.dispatchEvent(new Event("view"));
    this.#describe();
    this.draw();
  }

  /** Zooms around the picture shown if it is in view, around the middle otherwise. */
  zoom(factor) {
    const { from, to } = this.view;
    const at = this.shown.position;
    this.look(timeline.zoom(this.view, factor, at >= from && at <= to ? at : (from + to) / 2));
  }

  /** Draws with the next frame, once. */
  draw() {
    this.#drawn ||= requestAnimationFrame(() => {
      this.#drawn = 0;
      this.#render();
    });
  }

  #paint() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["ink", "quiet", "line", "recorded", "gap", "tag", "live", "chosen", "paper", "accent"]) {
      this.#colors[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.draw();
  }

  #render() {
    const { clientWidth: wide, clientHeight: high } = this.#canvas;
    if (wide === 0) return;
    const scale = devicePixelRatio;
    if (this.#canvas.width !== Math.round(wide * scale) || this.#canvas.height !== Math.round(high * scale)) {
      this.#canvas.width = Math.round(wide * scale);
      this.#canvas.height = Math.round(high * scale);
    }
    const context = this.#context;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, wide, high);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "top";
    this.#drawTicks(wide, high);
    if (this.shown.fragments) this.#drawRecorded(wide);
    this.#drawMarks(wide, high);
  }

  #drawTicks(wide, high) {
    const context = this.#context;
    const offset = new Date(this.view.from).getTimezoneOffset();
    const { step, times } = timeline.ticks(this.view, wide, TICKS_APART, offset);
    for (const time of times) {
      const x = Math.round(timeline.place(this.view, wide, time)) + 0.5;
      context.fillStyle = this.#colors.line;
      context.fillRect(x, BAND.top, 1, high - BAND.top - LABEL);
      const midnight = clock(time) === "00:00:00";
      const label = step >= DAY || midnight ? day(time) : clock(time, { seconds: step < 60_000, millis: step < 1000 });
      context.fillStyle = this.#colors.quiet;
      context.textAlign = "center";
      context.fillText(label, x, high - LABEL);
    }
  }

  #drawRecorded(wide) {
    const context = this.#context;
    const { fragments } = this.shown;
    const { from, to } = this.view;
    const x = (time) => timeline.place(this.view, wide, time);
    const { top, height } = BAND;
    for (const gap of fragments.gaps(from, to)) {
      const left = Math.max(x(gap.from), 0);
      const width = Math.max(Math.min(x(gap.to), wide) - left, 1);
      context.fillStyle = this.#colors.gap;
      context.globalAlpha = 0.35;
      context.fillRect(left, top + height / 2 - 2, width, 4);
      context.globalAlpha = 1;
      context.fillRect(left, top, 1, height);
      context.fillRect(left + width - 1, top, 1, height);
    }
    context.fillStyle = this.#colors.recorded;
    for (const span of fragments.spans(from, to)) {
      const left = Math.max(x(span.from), 0);
      context.fillRect(left, top, Math.max(Math.min(x(span.to), wide) - left, 1), height);
    }
    this.#drawEdges(wide);
    context.fillStyle = this.#colors.tag;
    let last = -Infinity;
    for (const fragment of fragments.tagged(from, to)) {
      const at = x(fragment.start);
      // More than one to a pixel look like one.
      if (at - last < 1) continue;
      last = at;
      context.beginPath();
      context.moveTo(at - 5, top - 9);
      context.lineTo(at + 5, top - 9);
      context.lineTo(at, top - 1);
      context.fill();
    }
  }

  /** Where fragments begin, if there is room to see it. */
  #drawEdges(wide) {
    const { from, to } = this.view;
    const inView = this.shown.fragments.spans(from, to).reduce((sum, span) => sum + span.count, 0);
    if (inView > wide * 4) return;
    const list = this.shown.fragments.between(from, to);
    if (list.length > wide / 8) return;
    this.#context.fillStyle = this.#colors.paper;
    for (const { start } of list) {
      this.#context.fillRect(timeline.place(this.view, wide, start), BAND.top, 1, BAND.height);
    }
  }

  #drawMarks(wide, high) {
    const context = this.#context;
    const { position, chosen, mode } = this.shown;
    const x = (time) => timeline.place(this.view, wide, time);
    if (chosen) {
      context.fillStyle = this.#colors.chosen;
      context.fillRect(x(chosen.from), BAND.top - 4, x(chosen.to) - x(chosen.from), BAND.height + 8);
      context.fillStyle = this.#colors.accent;
      for (const edge of [chosen.from, chosen.to]) context.fillRect(x(edge) - 1, BAND.top - 4, 2, BAND.height + 8);
    }
    if (position !== null) {
      context.fillStyle = mode === "live" ? this.#colors.live : this.#colors.ink;
      context.fillRect(x(position) - 1, BAND.top - 8, 2, BAND.height + 16);
    }
    if (this.#hover !== null) {
      const at = timeline.time(this.view, wide, this.#hover);
      context.fillStyle = this.#colors.quiet;
      context.fillRect(this.#hover, BAND.top - 4, 1, BAND.height + 8);
      context.textAlign = this.#hover > wide - 160 ? "right" : "left";
      context.fillText(this.#words(at), this.#hover, 2);
    }
  }

  /** A time and what is there, in words. */
  #words(time) {
    const { fragments } = this.shown;
    const playing = fragments?.at(time);
    const tags = (playing?.tags ?? []).map(({ name, value }) => `${name}=${value}`).join(", ");
    const millis = timeline.width(this.view) < 60_000;
    return [`${day(time)} ${clock(time, { millis })}`, playing ? tags : "nothing recorded"].filter(Boolean).join("  ");
  }

  /** What the drawing shows, for those who do not see it. */
  #describe() {
    const { fragments, position } = this.shown;
    const canvas = this.#canvas;
    const [from, to] = [fragments?.first?.start ?? 0, fragments?.last?.end ?? 0];
    canvas.setAttribute("aria-valuemin", Math.round(from / 1000));
    canvas.setAttribute("aria-valuemax", Math.round(to / 1000));
    canvas.setAttribute("aria-valuenow", Math.round((position ?? to) / 1000));
    canvas.setAttribute("aria-valuetext", position === null ? "nothing plays" : moment(position));
  }

  /** The view in words: what is in it. */
  summary() {
    const { fragments } = this.shown;
    const { from, to } = this.view;
    if (!fragments) return "";
    const gaps = fragments.gaps(from, to);
    const silent = gaps.reduce((sum, gap) => sum + Math.min(gap.to, to) - Math.max(gap.from, from), 0);
    const texts = [span(to - from)];
    if (gaps.length) texts.push(`${gaps.length} ${gaps.length === 1 ? "gap" : "gaps"} of ${span(silent)}`);
    else texts.push("no gaps");
    return texts.join(" · ");
  }

  #time(event) {
    return timeline.time(this.view, this.#canvas.clientWidth, event.offsetX);
  }

  #down(event) {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#press = { x: event.offsetX, view: this.view, time: this.#time(event), chooses: event.shiftKey, moved: false };
  }

  #move(event) {
    this.#point(event.offsetX);
    const press = this.#press;
    if (!press) return;
    const far = event.offsetX - press.x;
    press.moved ||= Math.abs(far) > CLICK;
    if (!press.moved) return;
    if (press.chooses) {
      const times = [press.time, this.#time(event)].sort((a, b) => a - b);
      this.dispatchEvent(new CustomEvent("choose", { detail: { from: times[0], to: times[1] } }));
    } else {
      const millis = (far / this.#canvas.clientWidth) * timeline.width(press.view);
      this.look(timeline.pan(press.view, -millis));
    }
  }

  #up(event) {
    const press = this.#press;
    this.#press = null;
    if (press && !press.moved) this.dispatchEvent(new CustomEvent("seek", { detail: this.#time(event) }));
  }

  #wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    const across = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      const share = (across * unit) / this.#canvas.clientWidth;
      this.look(timeline.pan(this.view, share * timeline.width(this.view)));
    } else {
      this.look(timeline.zoom(this.view, 1.002 ** (event.deltaY * unit), this.#time(event)));
    }
  }

  #point(x) {
    this.#hover = x;
    this.draw();
  }
}
