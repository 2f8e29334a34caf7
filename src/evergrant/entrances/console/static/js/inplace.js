// `<form data-inplace>` (POST): sends without leaving the page and shows what became of it. A field
// with `data-send` sends its form as soon as it is changed.

import { read, say, SignedOut, swap } from "./reading.js";

async function send(form, submitter) {
  if (form.hasAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  const fields = new FormData(form, submitter);
  const to = submitter?.hasAttribute("formaction") ? submitter.formAction : form.action;
  const focused = document.activeElement;
  try {
    const body = form.enctype === "multipart/form-data" ? fields : new URLSearchParams(fields);
    const { page, address, ok } = await read(to, { method: "POST", body });
    if (ok && address.pathname !== location.pathname) {
      location.assign(address);
      return;
    }
    show(page, ok, form);
  } catch (error) {
    if (error instanceof SignedOut) say("You are signed out. Load the page again to sign in; nothing was changed.", "bad");
    else if (error instanceof TypeError) say("The server did not answer; look whether it was done, and try again.", "bad");
    else throw error;
    form.reset();
  } finally {
    form.removeAttribute("aria-busy");
    if (focused?.id) document.getElementById(focused.id)?.focus({ preventScroll: true });
  }
}

function show(page, ok, form) {
  // The server's word counts, not what was ticked a moment ago.
  form.reset();
  swap(page);
  const said = page.querySelector("main .said");
  if (said !== null) say(said.textContent.trim(), said.classList.contains("bad") ? "bad" : "good");
  else if (ok) say("");
  else say([...page.querySelectorAll("main h1, main p")].map((one) => one.textContent.trim()).join(" "), "bad");
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-inplace]") || event.defaultPrevented) return;
  event.preventDefault();
  send(event.target, event.submitter);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("form[data-inplace] [data-send]")) event.target.form.requestSubmit();
});
