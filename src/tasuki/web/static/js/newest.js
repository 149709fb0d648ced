/** The newest rows of a project's table: those that are asked for, and again whenever an event tells of new ones. */
import { getAll } from "./api.js";
import { batch, effect, signal } from "./html.js";
import { page } from "./page.js";
import { problem, projects } from "./project.js";
import { view } from "./view.js";

const SOON_MS = 250;

/**
 * `table` is the page's name, that of the route and that of the rows in its answer. `words` gives what is asked for, `revision` counts
 * events, `size` is how many rows come first and how many each `more` adds.
 */
export function newest(table, { size, revision, words }) {
  const rows = signal(null);
  const total = signal(0);
  const wanted = signal(size);
  let asked = "";
  let timer = 0;
  let epoch = 0;

  async function load() {
    const mine = ++epoch;
    const found = [];
    try {
      await getAll(table, { ...JSON.parse(asked), order: "-created", limit: size }, (answer) => {
        if (mine !== epoch) return false;
        found.push(...answer[table]);
        total.value = answer.total;
        return found.length < wanted.peek();
      });
    } catch (error) {
      problem.value = error.message;
      return;
    }
    if (mine === epoch) rows.value = found;
  }

  /** Begin: fetch what is looked at, at once when that is something else, else soon. */
  function follow() {
    effect(() => {
      const key = JSON.stringify(words());
      revision.value;
      wanted.value;
      if (!view.project.value || page.value !== table) return;
      if (!projects.value?.some((project) => project.name === view.project.value)) return;
      if (key !== asked) {
        batch(() => {
          asked = key;
          wanted.value = size;
          rows.value = null;
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

  const more = () => (wanted.value += size);
  return { rows, total, more, follow };
}
