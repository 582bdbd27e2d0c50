// Small enhancements. Every page works without this script.
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
      // Without https or permission: use execCommand, or let the reader copy by hand.
      say(button, document.execCommand("copy") ? "Copied" : "Selected: press Ctrl-C");
    }
  };

  const wake = (root) => {
    root.querySelectorAll("[data-copy][hidden], [data-print][hidden], [data-refreshes][hidden], [data-check-all][hidden]").forEach((button) => {
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

  // A double click sends a form once.
  const sentAt = new WeakMap();
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (event.timeStamp - sentAt.get(event.target) < 1000) event.preventDefault();
    else sentAt.set(event.target, event.timeStamp);
  });

  // Show a notice when a poll fails, so that the page does not look up to date.
  const lost = () => {
    document.querySelectorAll("[data-poll-lost]").forEach((note) => { note.hidden = false; });
  };
  document.addEventListener("htmx:responseError", lost);
  document.addEventListener("htmx:sendError", lost);
  document.addEventListener("htmx:afterSwap", () => wake(document));

  // Keep relative times up to date on an open page, as app/views/filters.py formats them.
  const UNITS = [[60, 1, "second"], [3600, 60, "minute"], [86400, 3600, "hour"], [2592000, 86400, "day"]];
  const ago = (seconds) => {
    const length = Math.abs(seconds);
    if (length < 5) return "just now";
    const unit = UNITS.find(([limit]) => length < limit);
    if (!unit) return "";
    const count = Math.floor(length / unit[1]);
    const text = `${count} ${unit[2]}${count === 1 ? "" : "s"}`;
    return seconds > 0 ? `${text} ago` : `in ${text}`;
  };
  setInterval(() => {
    document.querySelectorAll("time[data-full] > span").forEach((span) => {
      const at = Date.parse(span.parentElement.dateTime);
      const text = ago(Math.round((Date.now() - at) / 1000));
      if (text && span.textContent !== text) span.textContent = text;
    });
  }, 30000);

  // A form with rows to select: select all of them, and name the number on the buttons.
  const tally = (form) => {
    const chosen = [...form.querySelectorAll("tbody input:checked")];
    const everything = form.querySelector("input[name=everything]:checked");
    const count = everything ? Number(everything.dataset.count)
      : chosen.reduce((sum, box) => sum + Number(box.dataset.count || 1), 0);
    form.querySelectorAll("[data-tally]").forEach((part) => {
      part.textContent = (count === 1 ? part.dataset.one : part.dataset.many).replace("%", count);
    });
  };
  document.querySelectorAll("[data-selection]").forEach((form) => {
    const all = form.querySelector("[data-check-all] input");
    form.addEventListener("change", (event) => {
      const boxes = [...form.querySelectorAll("tbody input[type=checkbox]")];
      if (event.target === all) boxes.forEach((box) => { box.checked = all.checked; });
      else if (all) all.checked = boxes.every((box) => box.checked);
      tally(form);
    });
    tally(form);
  });

  wake(document);
  document.querySelector("[data-focus]")?.focus();
})();
