// The Kinesis Video Streams API of the server that the page came from.

import { sign } from "./signature.js";

const SERVICE = "kinesisvideo";
// What the server says when it wants to know who asks, and not when somebody known may not.
const WHO = new Set([
  "MissingAuthenticationTokenException",
  "MissingAuthenticationToken",
  "IncompleteSignatureException",
  "IncompleteSignature",
  "InvalidSignatureException",
  "InvalidClientTokenIdException",
  "UnrecognizedClientException",
  "ExpiredTokenException",
  "SignatureDoesNotMatch",
]);

/** An answer that says no. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message || code || `the server answered ${status}`);
    this.status = status;
    this.code = code;
  }

  get isMissing() {
    return this.code === "ResourceNotFoundException";
  }
}

export class Api {
  #keys;
  #skew = 0;

  constructor(keys) {
    this.#keys = keys;
  }

  /** Milliseconds since 1970 by the server's clock, to about a second. */
  now() {
    return Date.now() + this.#skew;
  }

  /** Asks for JSON. */
  async call(path, input, options) {
    return (await this.#post(path, input, options)).json();
  }

  /** Asks for media: the answer, whose body has not been read. */
  media(path, input, options) {
    return this.#post(path, input, options);
  }

  /** Every page of a list, as an async iterator of answers. */
  async *pages(path, input, options) {
    let token;
    do {
      const page = await this.call(path, { ...input, NextToken: token }, options);
      yield page;
      token = page.NextToken;
    } while (token);
  }

  async #post(path, input, { signal } = {}) {
    const body = JSON.stringify(input);
    for (;;) {
      const used = this.#keys.held;
      const response = await this.#send(path, body, used, signal);
      if (response.ok) return response;
      const refused = await refusal(response);
      const asks = !used || WHO.has(refused.code);
      if (![401, 403].includes(response.status) || !asks) throw refused;
      // Another request may have asked meanwhile.
      if (this.#keys.held === used && !(await this.#keys.ask(used ? refused.message : ""))) throw refused;
    }
  }

  async #send(path, body, keys, signal) {
    const headers = { "content-type": "application/json" };
    const proof = keys
      ? await sign({
          method: "POST",
          host: location.host,
          path,
          headers,
          body,
          keys,
          service: SERVICE,
          now: new Date(this.now()),
        })
      : {};
    const asked = Date.now();
    const response = await fetch(path, {
      method: "POST",
      headers: { ...headers, ...proof },
      body,
      signal,
      cache: "no-store",
    });
    const date = Date.parse(response.headers.get("date"));
    // The header has whole seconds: a smaller difference says nothing.
    if (date) {
      const skew = date + 500 - (asked + Date.now()) / 2;
      this.#skew = Math.abs(skew) > 1500 ? skew : 0;
    }
    return response;
  }
}

async function refusal(response) {
  const named = response.headers.get("x-amzn-errortype") ?? "";
  let text = await response.text();
  let code = named.split(":")[0];
  try {
    const { Message, message, __type } = JSON.parse(text);
    text = Message ?? message ?? "";
    code ||= (__type ?? "").split("#").pop();
  } catch {
    // A sentence for people.
  }
  return new Refused(response.status, code, text.trim());
}
