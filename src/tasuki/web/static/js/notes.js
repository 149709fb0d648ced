/** The notes of the project: the newest of those that are asked for, fetched again whenever there are new ones. */
import { getAll } from "./api.js";
import { batch, effect, signal } from "./html.js";
import { page } from "./page.js";
import { notesRevision, problem, projects } from "./project.js";
import { view } from "./view.js";

const PAGE = 200;
const SOON_MS = 250;

export const notes = signal(null);
export const totalNotes = signal(0);
/** How many are wanted: more when the reader asks for more. */
const wanted = signal(PAGE);

let asked = "";
let timer = 0;
let epoch = 0;

export function moreNotes() {
  wanted.value += PAGE;
}

async function load() {
  const mine = ++epoch;
  const words = { brain: view.project.peek(), kind: view.kind.peek() || null, search: view.query.peek() || null };
  const rows = [];
  try {
    await getAll("notes", { ...words, order: "-created", limit: PAGE }, ({ notes: some, total }) => {
      if (mine !== epoch) return false;
      rows.push(...some);
      totalNotes.value = total;
      return rows.length < wanted.peek();
    });
  } catch (error) {
    problem.value = error.message;
    return;
  }
  if (mine === epoch) notes.value = rows;
}

/** Begin: fetch what is looked at, at once when that is something else, else soon. */
export function followNotes() {
  effect(() => {
    const key = JSON.stringify([view.project.value, view.kind.value, view.query.value]);
    notesRevision.value;
    wanted.value;
    if (!view.project.value || page.value !== "notes") return;
    if (!projects.value?.some((project) => project.name === view.project.value)) return;
    if (key !== asked) {
      batch(() => {
        asked = key;
        wanted.value = PAGE;
        notes.value = null;
      });
      clearTimeout(timer);
      timer = 0;
      load();
    } else {
      timer ||= setTimeout(() => {
        timer = 0;
        load();
      }, SOON_MS);
    }
  });
}
