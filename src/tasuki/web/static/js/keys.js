/** Keys of one letter, which the reader can switch off (WCAG 2.1.4). */
import { toggleLog } from "./chart_grid.js";
import { signal } from "./html.js";
import { page } from "./page.js";
import { cursor, moveCursor } from "./runs_table.js";
import { toggleRun } from "./selection.js";
import { view } from "./view.js";

const STORED = "tasuki.keys";

export const keysOn = signal(true);

export const KEYS = [
  ["/", "Filter the runs, or search the notes or files"],
  ["j", "Next run"],
  ["k", "Previous run"],
  ["x", "Show the run in the charts, or not"],
  ["l", "Logarithmic axes, or not"],
  ["Esc", "All steps again"],
  ["?", "This help"],
];

export function switchKeys(on) {
  keysOn.value = on;
  try {
    localStorage.setItem(STORED, on ? "on" : "off");
  } catch {
    // a frame without storage: it holds until the page is left
  }
}

function isTyping(target) {
  return target.closest?.("input:not([type=checkbox]), select, textarea, dialog[open]") !== null;
}

/** Listen. `help()` shows the help. */
export function followKeys(help) {
  try {
    keysOn.value = localStorage.getItem(STORED) !== "off";
  } catch {
    // a frame without storage
  }
  const actions = {
    "/": () => {
      if (page.peek() === "runs") view.tab.value = "runs";
      document.getElementById("search")?.focus();
    },
    "?": help,
    j: () => moveCursor(1),
    k: () => moveCursor(-1),
    x: () => cursor.peek() && toggleRun(cursor.peek()),
    l: toggleLog,
    Escape: () => (view.zoom.value = null),
  };
  addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (page.peek() === "jobs" && event.key !== "?") return;
    if (!action || !keysOn.peek() || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    event.preventDefault();
    action();
  });
}
