// Players that are not ours, on a page of another origin: `node players.mjs PLAYER URL SECONDS` plays a
// session live for so long, or, with 0 seconds, to its end.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";

import { advance, main } from "./browser.mjs";

const FRAMES = 30;
const SCRIPTS = {
  hls: new URL("../../crates/server/player/vendor/hls.min.js", import.meta.url),
  dash: new URL("node_modules/dashjs/dist/modern/umd/dash.all.min.js", import.meta.url),
};
const PAGE = `<!doctype html><link rel="icon" href="data:,"><script src="player.js"></script>
<video muted></video><p id="result"></p>`;

/** A page with the player on it, of an origin of its own. */
async function site(script) {
  const player = readFileSync(script);
  const server = createServer((request, response) => {
    const isPage = request.url === "/";
    response.setHeader("content-type", isPage ? "text/html" : "text/javascript");
    response.end(isPage ? PAGE : player);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return { server, url: `http://127.0.0.1:${server.address().port}/` };
}

/** Starts a player in the page, which collects what it complains of in `complaints`. */
const STARTS = {
  hls: (url, isLive) => {
    const { Hls } = globalThis;
    const hls = new Hls({ lowLatencyMode: isLive });
    globalThis.complaints = [];
    hls.on(Hls.Events.ERROR, (_, { type, details, fatal, error, response, frag }) => {
      const where = frag ? `in ${frag.type} ${frag.sn} from ${frag.start} s for ${frag.duration} s` : "";
      const what = [type, details, fatal && "fatal", response?.code, error?.message, where];
      globalThis.complaints.push(what.filter(Boolean).join(" "));
    });
    globalThis.parts = 0;
    hls.on(Hls.Events.FRAG_LOADED, (_, { part }) => (globalThis.parts += part ? 1 : 0));
    hls.loadSource(url);
    hls.attachMedia(document.querySelector("video"));
    document.querySelector("video").play();
  },
  dash: (url) => {
    const { dashjs } = globalThis;
    const player = dashjs.MediaPlayer().create();
    globalThis.complaints = [];
    player.on(dashjs.MediaPlayer.events.ERROR, ({ error }) => globalThis.complaints.push(`${error.code} ${error.message}`));
    player.on(dashjs.MediaPlayer.events.PLAYBACK_ERROR, ({ error }) => globalThis.complaints.push(`playback ${error.message}`));
    // Of the end it says so itself: on a busy machine before the element can, and then it goes back a little.
    player.on(dashjs.MediaPlayer.events.PLAYBACK_ENDED, () => (globalThis.hasEnded = true));
    player.initialize(document.querySelector("video"), url, true);
  },
};

async function play(player, page, url, seconds) {
  const { server, url: home } = await site(SCRIPTS[player]);
  const isLive = Number(seconds) > 0;
  const find = () => page.evaluate(() => globalThis.complaints ?? []);
  try {
    await page.goto(home);
    await page.evaluate(STARTS[player], url, isLive);
    const { shown } = await advance(page, FRAMES);
    await page.waitForFunction(
      (seconds) => {
        const video = document.querySelector("video");
        const { played } = video;
        let sum = 0;
        for (let at = 0; at < played.length; at += 1) sum += played.end(at) - played.start(at);
        return globalThis.complaints.length > 0 || (seconds > 0 ? sum >= seconds : video.ended || globalThis.hasEnded);
      },
      { timeout: 60_000 },
      Number(seconds),
    );
    const complaints = await find();
    if (complaints.length > 0) throw new Error(complaints.join("\n"));
    return await page.evaluate((shown) => {
      const video = document.querySelector("video");
      const { totalVideoFrames: frames, droppedVideoFrames: dropped } = video.getVideoPlaybackQuality();
      return { at: video.currentTime, duration: video.duration, shown, frames, dropped, parts: globalThis.parts };
    }, shown);
  } catch (error) {
    const complaints = await find();
    throw new Error([error.message, ...complaints.filter((complaint) => !error.message.includes(complaint))].join("\n"), { cause: error });
  } finally {
    server.close();
  }
}

await main({
  hls: (page, _, ...rest) => play("hls", page, ...rest),
  dash: (page, _, ...rest) => play("dash", page, ...rest),
});
