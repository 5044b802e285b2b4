// The list of streams: links, so that the browser's own history and keys work with them.

const PAGE = 200;
const REFRESH = 10_000;
const TYPING = 150;

/** The address of a stream within the page; with a time, of what was recorded then. */
export const address = (stream, time) =>
  `#${encodeURIComponent(stream)}${time === undefined ? "" : `@${new Date(time).toISOString()}`}`;

/** What an address names: `{stream, time}`, each null if it is not there. */
export function read(hash) {
  const [name, text] = hash.replace(/^#/, "").split("@");
  const time = text ? Date.parse(text) : Number.NaN;
  let stream = null;
  try {
    stream = decodeURIComponent(name) || null;
  } catch {
    // Somebody typed it.
  }
  return { stream, time: Number.isNaN(time) ? null : time };
}

export class Streams {
  #api;
  #list = document.querySelector("#streams");
  #note = document.querySelector("#streams-note");
  #more = document.querySelector("#streams-more");
  #filter = document.querySelector("#filter");
  #names = [];
  #token = null;
  #current = null;
  #asked = 0;

  constructor(api) {
    this.#api = api;
    let typing;
    this.#filter.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.refresh(), TYPING);
    });
    this.#more.addEventListener("click", () => this.#ask(this.#token));
    setInterval(() => {
      // More pages than the first were asked for by hand: they would go.
      if (!document.hidden && this.#names.length <= PAGE) this.refresh();
    }, REFRESH);
  }

  find() {
    this.#filter.focus();
    this.#filter.select();
  }

  mark(stream) {
    this.#current = stream;
    for (const link of this.#list.querySelectorAll("a")) this.#point(link);
  }

  refresh() {
    return this.#ask(null);
  }

  async #ask(token) {
    this.#asked += 1;
    const asked = this.#asked;
    const prefix = this.#filter.value.trim();
    const input = { MaxResults: PAGE, NextToken: token ?? undefined };
    if (prefix) input.StreamNameCondition = { ComparisonOperator: "BEGINS_WITH", ComparisonValue: prefix };
    try {
      const answer = await this.#api.call("/listStreams", input);
      if (asked !== this.#asked) return;
      const names = answer.StreamInfoList.map((stream) => stream.StreamName);
      this.#token = answer.NextToken;
      this.#more.hidden = !answer.NextToken;
      this.#show(token ? [...this.#names, ...names] : names);
      const none = prefix ? "No stream has such a name" : "No video streams yet";
      this.#say(this.#names.length ? "" : none);
    } catch (error) {
      if (asked === this.#asked) this.#say(`Streams: ${error.message}`);
    }
  }

  #show(names) {
    if (names.length === this.#names.length && names.every((name, at) => name === this.#names[at])) return;
    this.#names = names;
    // What has the focus keeps it.
    const focused = this.#list.contains(document.activeElement) && document.activeElement.dataset.stream;
    this.#list.replaceChildren(...names.map((name) => this.#item(name)));
    if (focused) this.#list.querySelector(`[data-stream="${CSS.escape(focused)}"]`)?.focus();
  }

  #item(name) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = address(name);
    link.textContent = name;
    link.dataset.stream = name;
    this.#point(link);
    item.append(link);
    return item;
  }

  #point(link) {
    link.toggleAttribute("aria-current", link.dataset.stream === this.#current);
    if (link.hasAttribute("aria-current")) link.setAttribute("aria-current", "page");
  }

  #say(text) {
    if (this.#note.textContent !== text) this.#note.textContent = text;
  }
}
