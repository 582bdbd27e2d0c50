// What htmx does not reach. Nothing here is needed: every page works without it.
"use strict";

(() => {
  const say = (button, text) => {
    const label = button.querySelector("span");
    const before = label.dataset.before || label.textContent;
    label.dataset.before = before;
    label.textContent = text;
    setTimeout(() => { label.textContent = before; }, 2500);
  };

  const copy = async (button) => {
    const field = document.getElementById(button.dataset.copy);
    field.focus();
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      say(button, "Copied");
    } catch {
      // Plain http or a refused permission: the old way, then the reader's own keys.
      say(button, document.execCommand("copy") ? "Copied" : "Selected: press Ctrl-C");
    }
  };

  const wake = (root) => {
    root.querySelectorAll("[data-copy][hidden], [data-print][hidden], [data-refreshes][hidden]").forEach((button) => {
      button.hidden = false;
    });
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-print]");
    if (!button) return;
    if (button.dataset.copy) copy(button);
    else window.print();
  });

  document.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-select]")) event.target.select();
  });

  // A poll that fails must not look like "still working".
  const lost = () => {
    document.querySelectorAll("[data-poll-lost]").forEach((note) => { note.hidden = false; });
  };
  document.addEventListener("htmx:responseError", lost);
  document.addEventListener("htmx:sendError", lost);
  document.addEventListener("htmx:afterSwap", () => wake(document));

  wake(document);
  document.querySelector("[data-focus]")?.focus();
})();
