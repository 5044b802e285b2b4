// Signatures of AWS, version 4, made with the browser's own cryptography.

const encoder = new TextEncoder();

const hex = (bytes) =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

const digest = async (text) => hex(await crypto.subtle.digest("SHA-256", encoder.encode(text)));

async function keyed(key, text) {
  const bytes = typeof key === "string" ? encoder.encode(key) : key;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign"]);
  return crypto.subtle.sign("HMAC", imported, encoder.encode(text));
}

// Browsers sign only on pages that nobody on the way could have changed.
export const canSign = () => globalThis.crypto?.subtle !== undefined;

/**
 * The headers that sign a request. `keys` are `{id, secret, token, region}`, `headers` those of the
 * request that are signed too; the host is added.
 */
export async function sign({ method, host, path, headers = {}, body, keys, service, now }) {
  const stamp = now.toISOString().replace(/[-:]|\.\d+/g, "");
  const hash = await digest(body);
  const added = { "x-amz-content-sha256": hash, "x-amz-date": stamp };
  if (keys.token) added["x-amz-security-token"] = keys.token;

  const all = Object.entries({ ...headers, ...added, host })
    .map(([name, value]) => [name.toLowerCase(), value.trim().replace(/ +/g, " ")])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const names = all.map(([name]) => name).join(";");
  const lines = all.map(([name, value]) => `${name}:${value}\n`).join("");
  const request = [method, path, "", lines, names, hash].join("\n");

  const scope = [stamp.slice(0, 8), keys.region, service, "aws4_request"];
  const text = ["AWS4-HMAC-SHA256", stamp, scope.join("/"), await digest(request)].join("\n");
  let key = `AWS4${keys.secret}`;
  for (const part of scope) key = await keyed(key, part);
  const signature = hex(await keyed(key, text));
  const proof = `Credential=${keys.id}/${scope.join("/")}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...added, authorization: `AWS4-HMAC-SHA256 ${proof}` };
}
