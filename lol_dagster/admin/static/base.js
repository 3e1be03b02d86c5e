// What HTML cannot do by itself. Driven by data- attributes; every page works without it.
"use strict";

// data-own-zone="16": a time in the viewer's own zone, so many characters of 2026-11-28 21:14:05. The page has it in
// UTC, which stays as the tooltip.
function showOwnZone(part) {
  for (const time of part.querySelectorAll("[data-own-zone]")) {
    const at = new Date(time.dateTime);
    const own = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
    time.textContent = own.toISOString().replace("T", " ").slice(0, Number(time.dataset.ownZone));
  }
}
showOwnZone(document);

// data-confirm: ask before a button does something that cannot be undone.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (button && !window.confirm(button.dataset.confirm)) event.preventDefault();
});

// data-tick-all="name": one box for all boxes of that name.
document.addEventListener("change", (event) => {
  const name = event.target.dataset.tickAll;
  if (!name) return;
  for (const box of document.getElementsByName(name)) box.checked = event.target.checked;
});

// data-inline-list: rows inside a form, added as copies of its template. Names inside a row are
// `<list>-<number>-<field>`; in the template they are the field's alone.
document.addEventListener("click", (event) => {
  const list = event.target.closest("[data-inline-list]");
  if (!list) return;
  if (event.target.closest("[data-inline-drop]")) {
    event.target.closest(".inline-row").remove();
  } else if (event.target.closest("[data-inline-add]")) {
    const rows = list.querySelector(".inline-rows");
    const used = [...rows.children].map((row) => Number(row.id.split("-").pop()));
    const prefix = `${list.id}-${Math.max(-1, ...used) + 1}`;
    const row = list.querySelector("template").content.cloneNode(true).firstElementChild;
    row.id = prefix;
    for (const part of row.querySelectorAll("[name], [id], [for]")) {
      for (const attribute of ["name", "id", "for"]) {
        const value = part.getAttribute(attribute);
        if (value !== null) part.setAttribute(attribute, value ? `${prefix}-${value}` : prefix);
      }
    }
    rows.append(row);
    row.querySelector("input:not([type=hidden]), select, textarea")?.focus();
  }
});

// data-refresh="seconds": reload while something is running and the page is visible.
const refreshed = document.querySelector("[data-refresh]");
if (refreshed) {
  setInterval(() => {
    if (document.visibilityState === "visible") window.location.reload();
  }, Number(refreshed.dataset.refresh) * 1000);
}

// data-wait="words": a form whose answer may take a while says so, and is sent once.
document.addEventListener("submit", (event) => {
  const words = event.target.dataset.wait;
  if (!words) return;
  if (event.target.ariaBusy === "true") {
    event.preventDefault();
    return;
  }
  event.target.ariaBusy = "true";
  if (event.submitter) event.submitter.textContent = words;
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});
