// Reads a page of ours once more, and puts what changed in the place of what was there.
//
// Every element with an id and `data-live` is a region. What did not change is not touched, so
// focus, selections, ticks, open details and scroll positions stay where they are; a region in which
// somebody writes is left alone until he has done.

const TEXT_FIELDS = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable]";

export class SignedOut extends Error {}

/** Gives {page, address, ok}. Raises SignedOut, TypeError (no answer) and AbortError. */
export async function read(address, options = {}) {
  const answer = await fetch(address, { credentials: "same-origin", cache: "no-store", ...options });
  const landed = new URL(answer.url);
  if (answer.redirected && /^\/console\/(sign-in|second-factor|enrol)$/.test(landed.pathname)) throw new SignedOut();
  const text = await answer.text();
  const page = new DOMParser().parseFromString(text, "text/html");
  return { page, address: landed, ok: answer.ok };
}

/** Puts the regions of `page` into this one. Gives false when one was left alone. */
export function swap(page) {
  const focused = document.activeElement;
  let all = true;
  for (const region of document.querySelectorAll("[data-live][id]")) {
    const fresh = page.getElementById(region.id);
    if (fresh === null || region.parentElement.closest("[data-live]")) continue;
    if (isBeingWrittenIn(region)) {
      all = false;
      continue;
    }
    const ticks = ticked(region);
    morph(region, document.adoptNode(fresh));
    restore(ticks);
  }
  if (page.title) document.title = page.title;
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
  document.dispatchEvent(new CustomEvent("evergrant:swapped"));
  return all;
}

/** Shows what the last action had to say, as the page itself would. */
export function say(words, kind = "good") {
  document.querySelector("main > .said")?.remove();
  if (!words) return;
  const said = document.createElement("p");
  said.className = `said ${kind}`;
  said.setAttribute("role", kind === "bad" ? "alert" : "status");
  said.textContent = words;
  document.querySelector("main").prepend(said);
}

function isBeingWrittenIn(region) {
  const active = document.activeElement;
  if (active !== null && region.contains(active) && active.matches(TEXT_FIELDS)) return true;
  return [...region.querySelectorAll("input, textarea")].some(
    (field) => field.matches(TEXT_FIELDS) && field.type !== "hidden" && field.value !== field.defaultValue,
  );
}

function ticked(region) {
  const boxes = region.querySelectorAll("input[id]:is([type=checkbox], [type=radio])");
  return [...boxes].filter((box) => box.checked !== box.defaultChecked).map((box) => [box.id, box.checked]);
}

function restore(ticks) {
  for (const [id, checked] of ticks) {
    const box = document.getElementById(id);
    if (box !== null) box.checked = checked;
  }
}

// --- one tree becomes another, with as few changes as may be ---------------------------------------

function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (!isAlike(old, fresh)) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = fresh.data;
    return;
  }
  morphAttributes(old, fresh);
  morphChildren(old, fresh);
}

function isAlike(old, fresh) {
  return old.nodeName === fresh.nodeName && (old.id ?? "") === (fresh.id ?? "");
}

function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !isOurs(old, name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !isOurs(old, name)) old.setAttribute(name, value);
  }
}

/** What scripts and people change on the page, and no answer of the server takes back. */
function isOurs(element, name) {
  return (name === "open" && element.matches("details, dialog")) || (name === "hidden" && element.matches("[data-copy]"));
}

function morphChildren(old, fresh) {
  const left = new Set(old.childNodes);
  const wanted = [...fresh.childNodes];
  const partners = wanted.map((child) => take(left, (one) => (child.id ? one.id === child.id : one.isEqualNode(child))));
  wanted.forEach((child, place) => {
    partners[place] ??= take(left, (one) => isAlike(one, child));
  });
  for (const one of left) one.remove();
  let at = old.firstChild;
  wanted.forEach((child, place) => {
    const node = partners[place] ?? child;
    if (node === at) at = at.nextSibling;
    else old.insertBefore(node, at);
    if (partners[place]) morph(partners[place], child);
  });
}

function take(left, fits) {
  for (const one of left) {
    if (fits(one)) {
      left.delete(one);
      return one;
    }
  }
  return undefined;
}
