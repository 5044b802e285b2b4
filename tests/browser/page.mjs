// The page in a browser: `node page.mjs TEST URL ...` prints what it saw as JSON, or fails.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { advance, keepAtHome, main } from "./browser.mjs";

const text = (page, selector) => page.$eval(selector, (element) => element.textContent);
const attribute = (page, selector, name) => page.$eval(selector, (element, name) => element.getAttribute(name), name);

async function open(page, complaints, url) {
  keepAtHome(page, url, complaints);
  const answer = await page.goto(url);
  assert.equal(answer.status(), 200);
}

/** Waits for a state of playback. */
const state = (page, wanted) =>
  page.waitForFunction(
    (wanted) => Object.entries(wanted).every(([name, value]) => document.querySelector("#state").dataset[name] === value),
    {},
    wanted,
  );

/** Waits until the clock of the page is in a range, and says what it shows. */
async function shows(page, from, to) {
  const handle = await page.waitForFunction(
    (from, to) => {
      const time = Date.parse(document.querySelector("#clock").dateTime);
      return time >= from && time <= to && time;
    },
    {},
    from,
    to,
  ).catch(async (error) => {
    const time = await page.$eval("#clock", (clock) => clock.dateTime);
    const range = [from, to].map((time) => new Date(time).toISOString());
    throw new Error(`the clock shows ${time}, not ${range.join(" to ")}: ${await text(page, "#state")}`, { cause: error });
  });
  return handle.jsonValue();
}

const noErrors = async (page) => {
  const { errors, details } = await page.$eval("#state", (state) => ({ ...state.dataset }));
  assert.equal(errors, "0", `hls.js complained: ${details}`);
};

/** Clicks the timeline where a time is. */
async function click(page, time) {
  const box = await (await page.$("#timeline")).boundingBox();
  const view = await page.evaluate(() => document.querySelector("#timeline").view());
  const x = box.x + ((time - view.from) / (view.to - view.from)) * box.width;
  assert.ok(x > box.x && x < box.x + box.width, "the time is in view");
  await page.mouse.click(x, box.y + box.height / 2);
}

/** Plays a camera live, by mouse and by keys. */
async function live(page, complaints, url, stream) {
  await open(page, complaints, url);
  const link = await page.waitForSelector(`#streams a[data-stream="${stream}"]`);
  await link.click();
  await state(page, { state: "playing", mode: "live" });
  const first = await advance(page, 60);
  const latency = await page.waitForFunction(() => document.querySelector("#latency").textContent);
  const behind = await latency.jsonValue();
  assert.match(behind, /^[0-9.]+ s behind camera$/);

  await page.keyboard.press("Space");
  await state(page, { state: "paused" });
  const still = await page.$eval("video", (video) => video.currentTime);
  await page.keyboard.press("Space");
  await state(page, { state: "playing" });
  const second = await advance(page, 30);
  assert.ok(second.at > still);

  // The timeline goes on with the camera.
  const known = Number(await attribute(page, "#timeline", "aria-valuemax"));
  await page.waitForFunction((known) => Number(document.querySelector("#timeline").ariaValueMax) > known, {}, known);
  await noErrors(page);
  return { behind, decoded: first.decoded + second.decoded };
}

/** From live to what was recorded and back. */
async function back(page, complaints, url, stream) {
  await open(page, complaints, `${url}#${stream}`);
  await state(page, { state: "playing", mode: "live" });
  await page.waitForFunction(() => {
    const { ariaValueMin, ariaValueMax } = document.querySelector("#timeline");
    return ariaValueMax - ariaValueMin >= 14;
  });
  const now = await shows(page, 0, Infinity);
  await page.keyboard.press("KeyJ");
  await state(page, { state: "playing", mode: "recorded" });
  const then = await shows(page, 0, now - 5000);
  await advance(page, 10);
  await page.click("#live");
  await state(page, { state: "playing", mode: "live" });
  await shows(page, now, Infinity);
  await advance(page, 10);
  await noErrors(page);
  return { skipped: now - then };
}

/**
 * A film with a gap: seeks by mouse, keys, fields and tags. `from` is where it starts, `gapFrom` and
 * `gapTo` are the ends of its gap, `to` is where it ends; `tagged` is where a fragment with tags starts.
 */
async function recorded(page, complaints, url, stream, ...times) {
  const [from, gapFrom, gapTo, to, tagged] = times.map(Number);
  await open(page, complaints, `${url}#${stream}@${new Date(from + 3000).toISOString()}`);
  await shows(page, from + 3000, from + 6000);
  await state(page, { state: "playing", mode: "recorded" });
  await advance(page, 15);

  await page.keyboard.press("Digit0");
  const summary = await page.waitForFunction(() => {
    const { textContent } = document.querySelector("#summary");
    return textContent.includes("1 gap") && textContent;
  });
  await page.keyboard.press("Space");
  await state(page, { state: "paused" });

  // Into the recording, and into the gap, behind which it goes on.
  await click(page, gapTo + 4000);
  await shows(page, gapTo + 3000, gapTo + 5000);
  await click(page, (gapFrom + gapTo) / 2);
  await shows(page, gapTo, gapTo + 100);
  await page.keyboard.press("ArrowLeft");
  await shows(page, gapFrom - 1100, gapFrom);
  await page.keyboard.press("KeyG");
  await shows(page, gapTo, gapTo + 100);
  await page.keyboard.press("Home");
  await shows(page, from, from + 100);
  await page.keyboard.press("ArrowRight");
  await shows(page, from + 900, from + 1200);

  if (tagged) {
    await page.keyboard.press("KeyN");
    await shows(page, tagged, tagged + 100);
    await page.click("#tags-box summary");
    assert.equal(await text(page, "#tags-count"), "1");
    const named = await text(page, "#tags button");
    assert.match(named, /door = open$/);
  }

  const wide = await page.evaluate(() => document.querySelector("#timeline").view());
  await page.keyboard.press("+");
  const near = await page.evaluate(() => document.querySelector("#timeline").view());
  assert.ok(Math.abs((near.to - near.from) * 2 - (wide.to - wide.from)) < 1);

  // It plays on over the gap, and to the end.
  await page.keyboard.press("Digit0");
  await click(page, gapFrom - 1500);
  await shows(page, gapFrom - 2000, gapFrom);
  await page.keyboard.press("Space");
  await shows(page, gapTo, gapTo + 3000);
  await page.keyboard.press("End");
  await shows(page, to - 2000, to);
  await page.waitForFunction(() => document.querySelector("#state").textContent.startsWith("The end"));
  await noErrors(page);
  return { summary: await summary.jsonValue() };
}

/** Chooses a clip by keys and downloads it. */
async function clip(page, complaints, url, stream, folder, ...times) {
  const [from, to] = times.map(Number);
  const session = await page.createCDPSession();
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder, eventsEnabled: true });
  const done = new Promise((resolve, reject) => {
    session.on("Browser.downloadProgress", ({ state }) => {
      if (state === "completed") resolve();
      if (state === "canceled") reject(new Error("the download was canceled"));
    });
  });
  await open(page, complaints, `${url}#${stream}@${new Date(from).toISOString()}`);
  await shows(page, from, to);
  await page.keyboard.press("Space");
  await page.keyboard.press("KeyI");
  assert.ok(await page.$eval("#clip-from", (field) => field.value));
  for (const [id, time] of [["clip-from", from], ["clip-to", to]]) {
    const value = new Date(time).toISOString().replace("Z", "");
    await page.$eval(`#${id}`, (field, value) => {
      field.value = value;
      field.dispatchEvent(new Event("input"));
    }, value);
  }
  await page.keyboard.press("KeyD");
  await done;
  const note = await page.waitForFunction(() => {
    const { textContent } = document.querySelector("#clip-note");
    return textContent.startsWith("Downloaded") && textContent;
  });
  await noErrors(page);
  const [file] = readdirSync(folder);
  return { file: join(folder, file), note: await note.jsonValue() };
}

/** Signs in: with a wrong secret, which is told, and then with the right one; keys go with the tab. */
async function signIn(page, complaints, url, stream, id, secret) {
  const dialog = "#sign-in[open]";
  const type = async (name, value) => {
    const field = await page.$(`${dialog} input[name=${name}]`);
    await field.click({ count: 3 });
    await field.type(value);
  };
  await open(page, complaints, url);
  await page.waitForSelector(dialog);
  await type("id", id);
  await type("secret", `not ${secret}`);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#sign-in[open] output")?.textContent);
  const told = await text(page, "#sign-in output");
  await type("secret", secret);
  await page.click(`${dialog} button[type=submit]`);
  const link = await page.waitForSelector(`#streams a[data-stream="${stream}"]`);
  assert.equal(await page.$(dialog), null);
  await link.click();
  await page.waitForFunction(() => document.querySelector("#timeline").ariaValueMax > 0);
  await page.reload();
  await page.waitForSelector(`#streams a[data-stream="${stream}"]`);
  const kept = await page.evaluate(() => ({ session: sessionStorage.length, local: localStorage.length, cookie: document.cookie }));
  assert.deepEqual(kept, { session: 1, local: 0, cookie: "" });
  await page.click("#sign");
  await page.waitForSelector(dialog);
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.keyboard.press("Escape");
  // Whoever declines is not asked again by the next request.
  await page.waitForFunction(() => document.querySelector("#streams-note").textContent);
  await page.type("#filter", stream);
  await page.waitForFunction(() => document.querySelector("#sign").textContent === "Sign in");
  assert.equal(await page.$(dialog), null);
  return { told };
}

/** What somebody meets who has no mouse, or does not see the page. */
async function keyboard(page, complaints, url, stream) {
  await open(page, complaints, url);
  await page.waitForSelector(`#streams a[data-stream="${stream}"]`);
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "filter");
  await page.keyboard.type(stream);
  await page.waitForFunction(() => document.querySelectorAll("#streams a").length === 1);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.dataset.stream), stream);
  await page.keyboard.press("Enter");
  await page.waitForFunction((stream) => document.querySelector("#name").textContent === stream, {}, stream);
  const order = [];
  for (let step = 0; step < 24; step += 1) {
    await page.keyboard.press("Tab");
    const id = await page.evaluate(() => document.activeElement.id);
    if (id && id !== order.at(-1)) order.push(id);
  }
  const wanted = ["play", "live", "back", "forth", "rate", "sound", "full", "axis", "timeline", "zoom-in"];
  const found = wanted.filter((id) => order.includes(id) || (id === "rate" && !order.includes(id)));
  assert.deepEqual(found, wanted, `the focus goes ${order.join(", ")}`);
  const positions = wanted.filter((id) => order.includes(id)).map((id) => order.indexOf(id));
  assert.deepEqual(positions, [...positions].sort((a, b) => a - b));
  const unnamed = await page.evaluate(async () =>
    [...document.querySelectorAll("a, button, input, select, canvas, [role=toolbar]")]
      .filter((element) => !element.closest("dialog"))
      .filter((element) => !(element.labels?.length || element.textContent.trim() || element.ariaLabel || element.getAttribute("aria-labelledby")))
      .map((element) => element.outerHTML),
  );
  assert.deepEqual(unnamed, []);
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("?");
  assert.ok(await page.$eval("#help", (help) => help.open));
  return { order };
}

await main({ live, back, recorded, clip, signIn, keyboard });
