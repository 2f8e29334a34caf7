// `<button data-copy="#id" hidden>`: shown where copying works, and says that it did.

const TOLD_FOR = 2_000;

function reveal() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

function tell(button, words) {
  button.dataset.words ??= button.textContent;
  button.setAttribute("aria-live", "polite");
  button.textContent = words;
  clearTimeout(button.told);
  button.told = setTimeout(() => (button.textContent = button.dataset.words), TOLD_FOR);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const what = document.querySelector(button.dataset.copy);
  if (what === null) return;
  try {
    await navigator.clipboard.writeText((what.value ?? what.textContent).trim());
    tell(button, "Copied");
  } catch {
    // Not allowed here: what is to be copied is at least marked.
    getSelection().selectAllChildren(what);
    tell(button, "Press Ctrl+C");
  }
});

document.addEventListener("evergrant:swapped", reveal);
reveal();
