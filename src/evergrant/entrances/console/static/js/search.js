// `<form data-search>` (GET): finds while somebody types. The address goes along, so that it can be
// kept, sent to somebody, and come back to.

import { read, SignedOut, swap } from "./reading.js";

const PAUSE = 200;
let timer;
let under_way = null;

function address(form) {
  const to = new URL(form.action);
  to.search = "";
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string" && value.trim() !== "") to.searchParams.append(name, value);
  }
  return to;
}

async function find(form) {
  clearTimeout(timer);
  under_way?.abort();
  const mine = (under_way = new AbortController());
  const to = address(form);
  form.setAttribute("aria-busy", "true");
  try {
    const { page, ok } = await read(to, { signal: mine.signal });
    if (!ok) throw new TypeError("no such page");
    history.replaceState(history.state, "", to);
    swap(page);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error instanceof SignedOut || error instanceof TypeError) location.assign(to);
    else throw error;
  } finally {
    if (under_way === mine) form.removeAttribute("aria-busy");
  }
}

function searching(event) {
  return event.target.closest?.("form[data-search]") ?? event.target.form?.closest("form[data-search]");
}

document.addEventListener("input", (event) => {
  const form = searching(event);
  if (!form) return;
  clearTimeout(timer);
  timer = setTimeout(() => find(form), event.target.matches("select, [type=checkbox], [type=radio]") ? 0 : PAUSE);
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-search]")) return;
  event.preventDefault();
  find(event.target);
});
