// Keeps an open page up to date: news says that something changed, the page is read again.
//
// `<body data-news="*">` listens to everything, `data-news="account:acc_1"` to one account,
// `data-news="topic:runs topic:notices"` to these topics; without it the page stays as it is.

import { read, SignedOut, swap } from "./reading.js";

const concern = document.body.dataset.news?.trim();
const mark = document.getElementById("live-mark");

//: Milliseconds.
const AWAY_SHOWN_AFTER = 5_000;
const HIDDEN_FOR = 2_000;
//: "3 minutes ago" grows old without any news.
const LOOK_ANYWAY = 5 * 60_000;
const PAUSE = { first: 3_000, longest: 60_000 };
//: Between two looks at least so long, and so many times as long as the last one took.
const REST = { least: 1_000, times: 8 };

let source = null;
let stale = false;
let looking = false;
let pause = PAUSE.first;
let restUntil = 0;
let timers = {};

function later(name, milliseconds, act) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(act, milliseconds);
}

function never(name) {
  clearTimeout(timers[name]);
}

function show(words) {
  if (mark !== null && mark.textContent !== words) mark.textContent = words;
}

// --- the stream ------------------------------------------------------------------------------------

function listen() {
  if (source !== null || document.hidden) return;
  source = new EventSource(`/console/news?for=${encodeURIComponent(concern)}`);
  source.addEventListener("open", () => {
    never("away");
    show("");
    pause = PAUSE.first;
    if (stale) look();
  });
  source.addEventListener("news", look);
  source.addEventListener("error", () => {
    stale = true;
    later("away", AWAY_SHOWN_AFTER, () => show("Not live. This page shows what was known a moment ago."));
    // The browser tries again by itself, unless it was refused.
    if (source?.readyState !== EventSource.CLOSED) return;
    stop();
    later("again", pause * (0.75 + Math.random() / 2), listen);
    pause = Math.min(pause * 2, PAUSE.longest);
  });
}

function stop() {
  source?.close();
  source = null;
}

// --- looking again ---------------------------------------------------------------------------------

async function look() {
  stale = true;
  if (looking || document.hidden) return;
  const rest = restUntil - performance.now();
  if (rest > 0) {
    later("look", rest, look);
    return;
  }
  looking = true;
  stale = false;
  const began = performance.now();
  try {
    const here = location.href;
    const { page, ok } = await read(here, { headers: { "X-Evergrant-Live": "1" } });
    // Whoever went on meanwhile looks at another page.
    if (here !== location.href) stale = true;
    else if (ok) stale = !swap(page);
    show("");
  } catch (error) {
    if (error instanceof SignedOut) {
      stop();
      Object.values(timers).forEach(clearTimeout);
      show("You are signed out. Load the page again to sign in.");
      return;
    }
    stale = true;
  } finally {
    looking = false;
    restUntil = performance.now() + Math.max(REST.least, REST.times * (performance.now() - began));
  }
  later("anyway", LOOK_ANYWAY, look);
  // News that came meanwhile, or a region in which somebody wrote.
  if (stale) later("look", Math.max(restUntil - performance.now(), REST.least), look);
}

// --- a tab that nobody sees listens to nothing -----------------------------------------------------

function onVisibility() {
  if (document.hidden) {
    later("hide", HIDDEN_FOR, stop);
    return;
  }
  never("hide");
  if (source === null) {
    listen();
    look();
  } else if (stale) {
    look();
  }
}

if (concern && "EventSource" in window) {
  document.addEventListener("visibilitychange", onVisibility);
  // A page that comes back with the back button may be hours old.
  window.addEventListener("pageshow", (event) => event.persisted && onVisibility());
  window.addEventListener("pagehide", stop);
  later("anyway", LOOK_ANYWAY, look);
  listen();
}
