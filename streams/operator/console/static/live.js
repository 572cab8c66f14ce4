"use strict";
// Fetches the page's own address every 5 s and swaps what changes. Without a script the page still works.

const policy = window.trustedTypes
  ? window.trustedTypes.createPolicy("console", { createHTML: (text) => text })
  : { createHTML: (text) => text };
const status = document.getElementById("live-status");
const pause = document.getElementById("pause");
const EVERY_MS = 5000;
let failures = 0;
let paused = false;
let asking = false;

// Never refresh under a reader's hands: focus or a selection inside, or nobody looking.
function busy(live) {
  const active = document.activeElement;
  return document.hidden || (live.contains(active) && active !== live) || String(getSelection()).length > 0;
}

// The reader's own time beside UTC. The page's is UTC, as every log and command has it.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const local = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const localDay = new Intl.DateTimeFormat([], { weekday: "short", day: "numeric", month: "short" });

function addLocalTimes(part) {
  for (const time of part.querySelectorAll("time[data-clock]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime()) || !at.getTimezoneOffset()) continue;
    const otherDay = at.getDate() !== at.getUTCDate() || time.dataset.clock === "day";
    const span = document.createElement("span");
    span.className = "local";
    span.textContent = ` (${otherDay ? `${localDay.format(at)}, ` : ""}${local.format(at)})`;
    time.append(span);
  }
}

function nameZone() {
  const place = document.getElementById("zone");
  if (!place || !document.querySelector("time .local")) return;
  place.textContent = `Times in brackets: ${zone}`;
  place.hidden = false;
}

function swap(page, id) {
  const [old, next] = [document.getElementById(id), page.getElementById(id)];
  if (next) addLocalTimes(next);
  if (old && next && old.outerHTML !== next.outerHTML) old.replaceWith(document.adoptNode(next));
}

function say(text) {
  if (status && status.textContent !== text) status.textContent = text;
}

async function refresh() {
  const live = document.getElementById("live");
  if (!live || paused || asking || busy(live)) return;
  asking = true; // one question at a time, however long the console takes
  try {
    const answer = await fetch(location.href, { redirect: "error", signal: AbortSignal.timeout(4000) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const page = new DOMParser().parseFromString(policy.createHTML(await answer.text()), "text/html");
    swap(page, "live");
    swap(page, "stale");
    nameZone();
    say(page.getElementById("live-status").textContent);
    failures = 0;
  } catch {
    failures += 1;
    if (failures === 2) say("Not live any more: the console does not answer. Showing what it said before.");
  } finally {
    asking = false;
  }
}

addLocalTimes(document);
nameZone();

if (pause && document.getElementById("live")) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Updates are paused" : "Pause updates";
    if (!paused) refresh();
  });
  setInterval(refresh, EVERY_MS);
}

// One box that ticks all; without a script it is not there.
const all = document.getElementById("all");
if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of document.querySelectorAll("input[name=letter]")) box.checked = all.checked;
  });
}
