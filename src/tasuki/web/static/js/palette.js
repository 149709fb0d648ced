/** A run is told by colour and dash; its name stands beside them. */

import { effect, signal } from "./html.js";

const COLOURS = 8;
export const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 6]];

/**
 * A mark for each run: the colour by its place in the project, so that it keeps it; the first dash that no other of the
 * chosen runs has in that colour. `runs` is `[id, place]`, by place.
 */
export function marksOf(runs) {
  const taken = new Array(COLOURS).fill(0);
  return new Map(
    runs.map(([id, place]) => {
      const colour = place % COLOURS;
      return [id, { colour: colour + 1, dash: taken[colour]++ % DASHES.length }];
    }),
  );
}

/** The colours as they are now, for canvases: a custom property keeps its `light-dark()`, a computed colour does not. */
export const colours = signal({});

const NAMES = ["text", "muted", "line", "border", "surface", "accent", "bad", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"];

function readColours() {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const found = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

/** Follow the theme, whoever changes it: the reader here or the system. */
export function watchColours(theme) {
  effect(() => {
    const chosen = theme.value;
    document.documentElement.dataset.theme = chosen;
    colours.value = readColours();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours.value = readColours();
  });
}
