// SPDX-License-Identifier: Apache-2.0
// Keeps the page fresh: asks for a short change mark, and swaps the sections marked data-live when it moved.
"use strict";

const SHOWN_MS = 400;
const HIDDEN_MS = 5000;

const pulse = document.getElementById("pulse");
let mark = null;

function ages(root) {
  const now = Date.now();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const passed = Math.round((now - Date.parse(time.dateTime)) / 1000);
    const seconds = Math.abs(passed);
    let text = `${seconds} s`;
    if (seconds >= 172800) text = `${Math.round(seconds / 86400)} d`;
    else if (seconds >= 7200) text = `${Math.round(seconds / 3600)} h`;
    else if (seconds >= 120) text = `${Math.round(seconds / 60)} min`;
    time.dataset.age = passed < -5 ? `in ${text}` : `${passed < 0 ? "0 s" : text} ago`;
  }
}

function keepOpen(before, after) {
  // An opened <details> stays open across a swap.
  const open = before.querySelectorAll("details");
  after.querySelectorAll("details").forEach((one, n) => {
    if (open[n]?.open) one.open = true;
  });
}

async function refresh() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live][id]")) {
    const next = fresh.getElementById(old.id);
    if (!next || next.innerHTML === old.dataset.shown) continue;
    const held = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    keepOpen(old, next);
    const html = next.innerHTML;
    const imported = document.importNode(next, true);
    imported.dataset.shown = html;
    ages(imported);
    old.replaceWith(imported);
    if (held) imported.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus();
  }
}

function say(state, text) {
  if (pulse.dataset.state === state) return;
  pulse.dataset.state = state;
  pulse.textContent = text;
}

async function beat() {
  try {
    const response = await fetch("/api/v1/pulse", { headers: { Accept: "application/json" } });
    if (response.status === 401) {
      location.assign("/login");
      return;
    }
    if (!response.ok) throw new Error(String(response.status));
    const { change } = await response.json();
    if (mark !== null && mark !== change) await refresh();
    mark = change;
    say("live", "live");
  } catch {
    say("lost", "agent not reachable");
  }
  ages(document);
  setTimeout(beat, document.hidden ? HIDDEN_MS : SHOWN_MS);
}

// The address printed at start carries the token after '#', which a browser never sends to a server.
function useTokenOfAddress() {
  const form = document.getElementById("login");
  const token = location.hash.slice(1);
  if (!form || !token) return;
  history.replaceState(null, "", location.pathname);
  form.elements.token.value = decodeURIComponent(token);
  form.requestSubmit();
}

ages(document);
if (pulse) beat();
else useTokenOfAddress();
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) ages(document);
});
