// Times as people read and type them, in the browser's time zone. A time is milliseconds since 1970.

const pad = (number, width = 2) => String(number).padStart(width, "0");

export const day = (time) => {
  const date = new Date(time);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
};

export const clock = (time, { seconds = true, millis = false } = {}) => {
  const date = new Date(time);
  let text = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  if (seconds || millis) text += `:${pad(date.getSeconds())}`;
  if (millis) text += `.${pad(date.getMilliseconds(), 3)}`;
  return text;
};

export const moment = (time) => `${day(time)} ${clock(time)}`;

/** What a `datetime-local` field holds. */
export const field = (time) => `${day(time)}T${clock(time, { millis: true })}`;

/** The time of a `datetime-local` field; null if it is empty. */
export const parse = (text) => {
  const time = text ? new Date(text).getTime() : Number.NaN;
  return Number.isNaN(time) ? null : time;
};

/** A length of time in its one or two largest units: `2 h 5 min`, `3.4 s`. */
export const span = (millis) => {
  const seconds = Math.abs(millis) / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.round(hours / 24)} days`;
};

export const bytes = (count) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (count >= 1000 && at < units.length - 1) {
    count /= 1000;
    at += 1;
  }
  return `${at && count < 10 ? count.toFixed(1) : Math.round(count)} ${units[at]}`;
};

/** A time of the API, which is in seconds, or a text of ISO 8601. */
export const fromApi = (value) =>
  typeof value === "number" ? Math.round(value * 1000) : new Date(value).getTime();
export const toApi = (time) => time / 1000;
