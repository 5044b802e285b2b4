// The visitor's keys: asked for when the server wants a signature, kept for this tab only.

import { canSign } from "./signature.js";

const PLACE = "afflux.keys";

/** The keys of this tab, and the dialog that asks for them. */
export class Keys extends EventTarget {
  #dialog = document.querySelector("#sign-in");
  #form = this.#dialog.querySelector("form");
  #button = document.querySelector("#sign");
  #asking = null;
  #declined = false;

  constructor() {
    super();
    this.held = read();
    this.#offer();
    this.#button.addEventListener("click", () => this.#change());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#keep(Object.fromEntries(new FormData(this.#form)));
    });
    this.#dialog.addEventListener("close", () => {
      this.#declined = this.#asking !== null;
      this.#settle(null);
      this.#offer();
    });
    this.#dialog.querySelector("[data-close]").addEventListener("click", () => this.#dialog.close());
  }

  /** Asks the visitor once, however many requests are refused; null if the visitor declines. */
  async ask(why) {
    if (this.#declined) return null;
    if (!this.#asking) {
      const problem = canSign()
        ? why
        : "This browser makes signatures only on https pages and on localhost: open the page there.";
      this.#dialog.querySelector("output").textContent = problem;
      this.#form.querySelector("button[type=submit]").disabled = !canSign();
      if (this.held) {
        this.#form.elements.id.value = this.held.id;
        this.#form.elements.region.value = this.held.region;
      }
      let settle;
      const answer = new Promise((resolve) => (settle = resolve));
      this.#asking = { answer, settle };
      this.#dialog.showModal();
    }
    return this.#asking.answer;
  }

  /** Forgets the keys, or asks again after all: with a page as new. */
  #change() {
    sessionStorage.removeItem(PLACE);
    this.dispatchEvent(new Event("change"));
  }

  #offer() {
    this.#button.hidden = !this.held && !this.#declined;
    this.#button.textContent = this.held ? "Sign out" : "Sign in";
  }

  #keep({ id, secret, token, region }) {
    this.held = { id: id.trim(), secret: secret.trim(), token: token.trim(), region: region.trim() };
    sessionStorage.setItem(PLACE, JSON.stringify(this.held));
    this.#form.elements.secret.value = "";
    this.#form.elements.token.value = "";
    this.#settle(this.held);
    this.#dialog.close();
  }

  /** Answers whoever asked. */
  #settle(keys) {
    const asking = this.#asking;
    this.#asking = null;
    asking?.settle(keys);
  }
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE));
  } catch {
    return null;
  }
}
