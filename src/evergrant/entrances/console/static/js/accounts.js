// The list of accounts: ticks the whole page at once, and says how many rows are ticked.
//
// `<label data-tick-all="form id" hidden>` holds the box, `<span data-ticked="form id">` the words.

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
    const words = document.querySelector(`[data-ticked="${label.dataset.tickAll}"]`);
    if (words !== null) words.textContent = ticked === 0 ? "With ticked rows:" : `With ${ticked} ticked ${ticked === 1 ? "row" : "rows"}:`;
  }
}

document.addEventListener("change", (event) => {
  const all = event.target.closest?.("[data-tick-all]");
  if (all) for (const box of boxesOf(all.dataset.tickAll)) box.checked = event.target.checked;
  if (all || event.target.matches("input[type=checkbox][name=id][form]")) show();
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
