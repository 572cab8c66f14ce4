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

function swap(page, id) {
  const [old, next] = [document.getElementById(id), page.getElementById(id)];
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
    say(page.getElementById("live-status").textContent);
    failures = 0;
  } catch {
    failures += 1;
    if (failures === 2) say("Not live any more: the console does not answer. Showing what it said before.");
  } finally {
    asking = false;
  }
}

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
