// A headless Chromium, and what every test of a page wants to know of it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import puppeteer from "puppeteer-core";

const PATIENCE = 30_000;

/** Opens an empty page, gives it to `test`, and fails with whatever the page complained of. */
export async function withPage(test) {
  const profile = mkdtempSync(join(tmpdir(), "afflux-browser-"));
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    userDataDir: profile,
    // Whoever is root has no sandbox to give.
    args: ["--disable-dev-shm-usage", "--mute-audio", ...(process.getuid() === 0 ? ["--no-sandbox"] : [])],
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    await page.setViewport({ width: 1200, height: 900 });
    await page.emulateTimezone("UTC");
    const complaints = listen(page);
    const result = await test(page, complaints).catch(async (error) => {
      throw new Error([error.message, await told(page), ...complaints].join("\n"), { cause: error });
    });
    if (complaints.length > 0) throw new Error(complaints.join("\n"));
    return result;
  } finally {
    await browser.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** What a page says went wrong, as it comes. */
function listen(page) {
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`exception: ${error.stack ?? error}`));
  page.on("console", (message) => {
    // An answer that says no is an answer.
    const refused = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !refused) complaints.push(`console: ${message.text()}`);
  });
  return complaints;
}

/** What the page says of itself. */
const told = (page) =>
  page
    .evaluate(() => {
      const texts = ["#name", "#state", "#clock", "#summary", "#streams-note", "#clip-note", "#result"];
      const found = texts.map((id) => document.querySelector(id)).filter(Boolean);
      const video = document.querySelector("video");
      const buffered = Array.from({ length: video.buffered.length }, (_, at) => `${video.buffered.start(at)} to ${video.buffered.end(at)}`);
      return [
        ...found.map((element) => `${element.id}: ${element.textContent} ${JSON.stringify(element.dataset)}`),
        `video: at ${video.currentTime} of ${video.duration}, ready ${video.readyState}, buffered ${buffered.join(", ")}`,
      ].join("\n");
    })
    .catch((error) => `and the page says nothing: ${error.message}`);

/** Complains of requests to anybody but `url`. */
export function keepAtHome(page, url, complaints) {
  const { origin } = new URL(url);
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith("blob:") && !to.startsWith("data:") && new URL(to).origin !== origin) {
      complaints.push(`a request to ${to}`);
    }
  });
}

/**
 * Waits until the video element has shown so many more pictures, each with a later time than the one
 * before, and says how far it got.
 */
export function advance(page, frames) {
  return page.evaluate(
    (frames, patience) =>
      new Promise((resolve, reject) => {
        const video = document.querySelector("video");
        const before = video.getVideoPlaybackQuality().totalVideoFrames;
        let shown = 0;
        let last = null;
        const timer = setTimeout(() => {
          const state = document.querySelector("#state")?.textContent;
          const where = `at ${video.currentTime} s, ready ${video.readyState}, ${state}`;
          reject(new Error(`${shown} of ${frames} pictures in ${patience} ms, ${where}`));
        }, patience);
        const next = (_, { mediaTime }) => {
          if (last === null || mediaTime > last) shown += 1;
          last = mediaTime;
          if (shown < frames) return video.requestVideoFrameCallback(next);
          clearTimeout(timer);
          const decoded = video.getVideoPlaybackQuality().totalVideoFrames - before;
          resolve({ shown, decoded, at: video.currentTime });
        };
        video.requestVideoFrameCallback(next);
      }),
    frames,
    PATIENCE,
  );
}

/** Runs the test that the first argument names with the other ones, and prints what it returns. */
export async function main(tests) {
  const [name, ...rest] = process.argv.slice(2);
  const result = await withPage((page, complaints) => tests[name](page, complaints, ...rest));
  console.log(JSON.stringify(result ?? {}));
}
