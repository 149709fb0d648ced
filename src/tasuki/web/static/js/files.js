/** The files of the project, or of one run: those that are asked for, and again whenever an event tells of new ones. */
import { getAll } from "./api.js";
import { batch, effect, signal } from "./html.js";
import { page } from "./page.js";
import { filesRevision, problem, projects } from "./project.js";
import { view } from "./view.js";

const PAGE = 100;
const SOON_MS = 250;

export const files = signal(null);
export const totalFiles = signal(0);
/** How many are wanted: more when the reader asks for more. */
const wanted = signal(PAGE);

let asked = "";
let timer = 0;
let epoch = 0;

export function moreFiles() {
  wanted.value += PAGE;
}

/** Where a file's content is: a relative URL. */
export function fileAddress(file) {
  const words = new URLSearchParams({ project: file.project, run: file.run });
  return new URL(`api/v1/files/${file.sha256}?${words}`, document.baseURI).href;
}

async function load() {
  const mine = ++epoch;
  const words = { project: view.project.peek(), run: view.run.peek() || null, search: view.query.peek() || null };
  const rows = [];
  try {
    await getAll("files", { ...words, order: "-created", limit: PAGE }, (page) => {
      if (mine !== epoch) return false;
      rows.push(...page.files);
      totalFiles.value = page.total;
      return rows.length < wanted.peek();
    });
  } catch (error) {
    problem.value = error.message;
    return;
  }
  if (mine === epoch) files.value = rows;
}

/** Begin: fetch what is looked at, at once when that is something else, else soon. */
export function followFiles() {
  effect(() => {
    const key = JSON.stringify([view.project.value, view.run.value, view.query.value]);
    filesRevision.value;
    wanted.value;
    if (!view.project.value || page.value !== "files") return;
    if (!projects.value?.some((project) => project.name === view.project.value)) return;
    if (key !== asked) {
      batch(() => {
        asked = key;
        wanted.value = PAGE;
        files.value = null;
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
