// `<form data-confirm="words">` or `<button data-confirm="words">`: asks once more before it sends.
// Elements with `data-unscripted` (a box to tick for those without scripts) are not needed then.

const confirmed = new WeakSet();

function ask(words, act) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "confirm-words");
  const told = document.createElement("p");
  told.id = "confirm-words";
  told.textContent = words;
  const row = document.createElement("p");
  row.className = "row";
  const yes = button(act.words, act.isDanger ? "danger" : "primary");
  const no = button("Cancel", "");
  row.append(yes, no);
  dialog.append(told, row);
  document.body.append(dialog);
  return new Promise((resolve) => {
    yes.addEventListener("click", () => dialog.close("yes"));
    no.addEventListener("click", () => dialog.close(""));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    dialog.showModal();
    no.focus();
  });
}

function button(words, style) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = style;
  made.textContent = words;
  return made;
}

document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    const words = event.submitter?.dataset.confirm ?? form.dataset.confirm;
    if (!words || confirmed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const submitter = event.submitter;
    const act = {
      words: submitter?.textContent.trim() || "Go on",
      isDanger: submitter?.classList.contains("danger") ?? false,
    };
    if (!(await ask(words, act))) {
      submitter?.focus();
      return;
    }
    confirmed.add(form);
    form.requestSubmit(submitter);
  },
  true,
);

function unscript() {
  for (const one of document.querySelectorAll("[data-unscripted]")) one.remove();
}

document.addEventListener("evergrant:swapped", unscript);
unscript();
