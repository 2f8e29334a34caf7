// `<a data-popup>`: in a small window of its own, so that the page behind stays in use.

const FEATURES = "popup,width=620,height=760";

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-popup]");
  if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const opened = window.open(link.href, link.target || "evergrant-popup", FEATURES);
  // Where the browser opens none, the link is followed as any other.
  if (opened === null) return;
  event.preventDefault();
  opened.focus();
});
