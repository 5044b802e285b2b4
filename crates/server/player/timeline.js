// The arithmetic of the timeline: which times are in view, where they stand, and where its ticks are.
// A view is `{from, to}` in milliseconds since 1970; it is never changed, only replaced.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const NARROWEST = 2 * SECOND;
const WIDEST = 20 * 365 * DAY;

// Distances between ticks that people can count in.
const STEPS = [
  100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY,
];

export const width = (view) => view.to - view.from;

/** Where a time stands, in pixels from the left. */
export const place = (view, pixels, time) => ((time - view.from) / width(view)) * pixels;

/** The time at a place. */
export const time = (view, pixels, x) => view.from + (x / pixels) * width(view);

/** A view `factor` times as wide in which `fixed` stays where it is. */
export function zoom(view, factor, fixed) {
  const wide = Math.min(Math.max(width(view) * factor, NARROWEST), WIDEST);
  const share = (fixed - view.from) / width(view);
  const from = fixed - share * wide;
  return { from, to: from + wide };
}

export const pan = (view, millis) => ({ from: view.from + millis, to: view.to + millis });

export const around = (view, time) => pan(view, time - (view.from + view.to) / 2);

/** The view, moved no further than it takes to see `time` away from its edges. */
export function reveal(view, time, margin = 0.1) {
  const room = width(view) * margin;
  if (time < view.from + room) return pan(view, time - room - view.from);
  if (time > view.to - room) return pan(view, time + room - view.to);
  return view;
}

/** A view of everything from `from` to `to`, with a little room beside it. */
export function fit(from, to) {
  const room = Math.max((to - from) * 0.03, NARROWEST / 2);
  return { from: from - room, to: to + room };
}

/**
 * Ticks with at least `apart` pixels between them: `{step, times}`. They stand on round local times:
 * `offset` is that of the time zone, in minutes as `Date.getTimezoneOffset` gives it.
 */
export function ticks(view, pixels, apart, offset) {
  const least = (width(view) / pixels) * apart;
  const step = STEPS.find((step) => step >= least) ?? STEPS.at(-1);
  const shift = offset * MINUTE;
  const times = [];
  const first = Math.ceil((view.from - shift) / step) * step + shift;
  for (let at = first; at <= view.to; at += step) times.push(at);
  return { step, times };
}
