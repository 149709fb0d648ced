/** The list of runs as filtered and sorted, and those of them that the charts show. */
import { parseFilter } from "./filter.js";
import { computed, effect } from "./html.js";
import { marksOf } from "./palette.js";
import { allRuns, summaries, wantMetrics, wantRuns } from "./project.js";
import { toggled, view } from "./view.js";

const NEWEST = 8;
export const MOST = 64; // more lines than this tell nobody anything, and the server bounds a request

const filter = computed(() => parseFilter(view.query.value));

/** The list as the reader asked for it. */
export const listed = computed(() => {
  const { metrics, matches } = filter.value;
  const { key, down } = view.sort.value;
  const compared = !(key in ORDERS);
  if (metrics.length || compared) summaries.revision.value;
  const rows = allRuns.value.filter((run) => matches(run, summaries.byRun.get(run.id)));
  const of = ORDERS[key] ?? ((run) => summaries.byRun.get(run.id)?.get(key)?.last);
  return sorted(rows, of, down);
});

const ORDERS = {
  created: (run) => run.created,
  updated: (run) => run.updated,
  name: (run) => run.name.toLowerCase(),
  status: (run) => run.status,
  points: (run) => run.points,
};

const isAbsent = (value) => value === undefined || Number.isNaN(value);

/** What has no value goes last, whichever way; ties keep the order of making. */
function sorted(rows, of, down) {
  const keyed = rows.map((run) => [of(run), run]);
  const sign = down ? -1 : 1;
  keyed.sort(([a, runA], [b, runB]) => {
    if (isAbsent(a) || isAbsent(b)) return isAbsent(a) - isAbsent(b);
    return (a < b ? -sign : a > b ? sign : 0) || sign * (runA.place - runB.place);
  });
  return keyed.map(([, run]) => run);
}

/** The runs in the charts, the oldest first. */
export const shown = computed(() => {
  const chosen = view.chosen.value;
  if (chosen === null) {
    const matching = new Set(listed.value);
    const rows = allRuns.value;
    const newest = [];
    for (let i = rows.length - 1; i >= 0 && newest.length < NEWEST; i--) if (matching.has(rows[i])) newest.unshift(rows[i]);
    return newest;
  }
  const ids = new Set(chosen);
  return allRuns.value.filter((run) => ids.has(run.id)).slice(-MOST);
});

let lastIds = [];

/** Their ids: the same array as long as they are the same. */
export const shownIds = computed(() => {
  const ids = shown.value.map((run) => run.id);
  if (ids.length !== lastIds.length || ids.some((id, i) => id !== lastIds[i])) lastIds = ids;
  return lastIds;
});

/** Colour and dash of each run in the charts. */
export const marks = computed(() => marksOf(shown.value.map((run) => [run.id, run.place])));

/** What each run in the charts is called there: its name, with its id where another has the same. */
export const labels = computed(() => {
  const counts = new Map();
  for (const { name } of shown.value) counts.set(name, (counts.get(name) ?? 0) + 1);
  return new Map(shown.value.map(({ id, name }) => [id, counts.get(name) > 1 ? `${name} · ${id}` : name]));
});

/** Put a run into the charts or take it out. */
export function toggleRun(id) {
  view.chosen.value = toggled(view.chosen.value ?? shownIds.value, id);
}

let lastNames = [];

/** The metrics of the runs in the charts, in order: the same array as long as they are the same. */
export const metricNames = computed(() => {
  summaries.revision.value;
  const names = new Set();
  for (const id of shownIds.value) for (const name of summaries.byRun.get(id)?.keys() ?? []) names.add(name);
  if (names.size !== lastNames.length || lastNames.some((name) => !names.has(name))) lastNames = [...names].sort(byName);
  return lastNames;
});

export function byName(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}

const TELLING = [/^(?!train|system).*loss/i, /acc|f1|auc|bleu|score|reward/i, /loss|error|perplexity/i, /^(?!system\/)/];
let lastColumns = [];

/** The metrics with a column: those chosen, or the two that tell most. */
export const columns = computed(() => {
  const chosen = view.columns.value;
  if (chosen) return chosen;
  const picked = [];
  for (const pattern of TELLING) {
    const found = metricNames.value.find((name) => pattern.test(name) && !picked.includes(name));
    if (found && picked.length < 2) picked.push(found);
  }
  if (picked.length && picked.join("\n") !== lastColumns.join("\n")) lastColumns = picked;
  return lastColumns;
});

/** Fetch what the list and the charts need. */
export function followSelection() {
  effect(() => wantRuns(shownIds.value));
  effect(() => {
    const { key } = view.sort.value;
    const wanted = key in ORDERS ? filter.value.metrics : [...filter.value.metrics, key];
    if (allRuns.value.length) wantMetrics(null, wanted);
  });
}
