// The list of accounts: ticks the whole page at once, and says how many rows are ticked.
//
// `<label data-tick-all="form id" hidden>` holds the box, `<span data-ticked="form id">` the words.
// `<label data-tick-everything="form id">` is all that match, on other pages too: it is offered once
// the whole page is ticked.

function boxesOf(id) {
  return [...document.querySelectorAll(`input[type=checkbox][name=id][form="${id}"]`)];
}

function show() {
  for (const label of document.querySelectorAll("[data-tick-all]")) {
    const boxes = boxesOf(label.dataset.tickAll);
    const ticked = boxes.filter((box) => box.checked).length;
    const all = label.querySelector("input");
    label.hidden = false;
    all.checked = ticked > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    const beyond = document.querySelector(`[data-tick-everything="${label.dataset.tickAll}"]`);
    const everything = beyond?.querySelector("input") ?? null;
    if (everything !== null && !all.checked) everything.checked = false;
    if (beyond !== null) beyond.hidden = !all.checked;
    const words = document.querySelector(`[data-ticked="${label.dataset.tickAll}"]`);
    if (words !== null && everything?.checked) words.textContent = "With all that match:";
    else if (words !== null) words.textContent = ticked === 0 ? "With ticked rows:" : `With ${ticked} ticked ${ticked === 1 ? "row" : "rows"}:`;
  }
}

document.addEventListener("change", (event) => {
  const all = event.target.closest?.("[data-tick-all]");
  if (all) for (const box of boxesOf(all.dataset.tickAll)) box.checked = event.target.checked;
  if (all || event.target.matches("input[type=checkbox][name=id][form], [data-tick-everything] input")) show();
});
// `<a data-close>`: the way back from a window of its own is to close it.
document.addEventListener("click", (event) => {
  if (!event.target.closest?.("a[data-close]") || window.opener === null) return;
  event.preventDefault();
  window.close();
});

document.addEventListener("evergrant:swapped", show);
window.addEventListener("pageshow", show);
show();

// Very many at once are done in turns: each is a form that the page before it held.
window.addEventListener("load", () => {
  const came = performance.getEntriesByType("navigation")[0]?.type;
  // Whoever stopped it and comes back by the back button has to say so.
  if (came === "navigate") document.querySelector("[data-goes-on]")?.form.requestSubmit();
});
