// data-poll="address": a part of the page that is asked for again until it is over; then the whole
// page is loaded once more, as more than this part has changed. Without it people reload by hand.
"use strict";

const PAUSE_MS = 1500;

async function look(part) {
  if (document.visibilityState === "visible") {
    const answer = await fetch(part.dataset.poll, { redirect: "error" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[role=status]");
    if (fresh.hasAttribute("data-over")) return window.location.reload();
    if (fresh.textContent !== part.textContent) part.replaceChildren(...fresh.childNodes);
  }
  setTimeout(watch, PAUSE_MS, part);
}

// An answer that fails (signed out, restarted) is asked for again, ever more rarely.
let failures = 0;
function watch(part) {
  look(part).then(
    () => { failures = 0; },
    () => setTimeout(watch, PAUSE_MS * 2 ** Math.min(++failures, 6), part),
  );
}

for (const part of document.querySelectorAll("[data-poll]")) setTimeout(watch, PAUSE_MS, part);
