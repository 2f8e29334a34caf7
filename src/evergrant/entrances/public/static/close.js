// The last page of a window that an operator's console opened: a button that closes it.
"use strict";

const button = document.querySelector("[data-close]");
const stays = document.querySelector("[data-stays]");

if (button && stays) {
  button.hidden = false;
  button.addEventListener("click", () => {
    window.close();
    // Still here after a moment: this browser closes only what a script has opened.
    setTimeout(() => {
      button.hidden = true;
      stays.hidden = false;
    }, 300);
  });
}
