/** What the page knows of the project: runs, summaries, alerts. Fetched once, then kept by events. */
import { get, getAll } from "./api.js";
import { Events } from "./events.js";
import { formatCount, parseNumber, plural } from "./format.js";
import { batch, computed, effect, signal } from "./html.js";
import { openProject, view } from "./view.js";

const PAGE = 1000;
const POLL_MS = 5000;
const ROWS_MS = 1000;
const TOASTS = 3;

export const projects = signal(null);
export const problem = signal(null);
export const missing = signal(0);
export const total = signal(0);
/** Whether the whole list of runs has come. */
export const complete = signal(false);
export const alerts = signal(new Map());
export const toasts = signal([]);

const runsById = new Map();
const runsRevision = signal(0);
/** Runs by id, and the summaries of each by metric: the maps are kept, the revisions tell of changes. */
export const runs = { byId: runsById, revision: runsRevision };
export const summaries = { byRun: new Map(), revision: signal(0), whole: new Set(), asked: new Set() };
/** Called with (run, {metric: points}) for live points, and with (run, metrics) where only their names came. */
export const live = { points: () => {}, stale: () => {}, reset: () => {} };

/** All runs, the oldest first. */
export const allRuns = computed(() => {
  runsRevision.value;
  const rows = [...runsById.values()].sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
  const before = Math.max(0, total.value - rows.length);
  rows.forEach((run, i) => (run.place = before + i));
  return rows;
});

/** How many points there are in all. */
export const points = computed(() => allRuns.value.reduce((sum, run) => sum + run.points, 0));

let events = null;
let epoch = 0; // counts openings: answers to an earlier one are dropped
let dirtyRuns = new Set();
let rowsTimer = 0;

// -- runs

function keepRun(row) {
  const { id, name, status, group, notes, tags, reason, created, updated, ended, points: n, lost } = row;
  const haystack = [name, id, group ?? "", notes ?? "", ...tags].join("\n").toLowerCase();
  runsById.set(id, { id, name, status, group, notes, tags, reason, created, updated, ended, points: n, lost, haystack });
}

async function loadRuns(mine) {
  await getAll("runs", { project: view.project.peek(), order: "-created", limit: PAGE }, (page) => {
    if (mine !== epoch) return false;
    batch(() => {
      page.runs.forEach(keepRun);
      total.value = page.total;
      missing.value = page.missing;
      runsRevision.value++;
    });
  });
  if (mine === epoch) complete.value = true;
}

/** Fetch the rows of runs that events have named, not more often than once a second. */
function refreshRuns(ids) {
  ids.forEach((id) => dirtyRuns.add(id));
  if (!dirtyRuns.size) return;
  rowsTimer ||= setTimeout(async () => {
    const mine = epoch;
    const due = [...dirtyRuns];
    dirtyRuns = new Set();
    try {
      if (due.length > 20) await loadRuns(mine);
      else await Promise.all(due.map((id) => refreshRun(id, mine)));
    } catch (error) {
      tell(error);
    }
    rowsTimer = 0;
    refreshRuns([]);
  }, ROWS_MS);
}

async function refreshRun(id, mine) {
  try {
    const row = await get(`runs/${encodeURIComponent(id)}`, { project: view.project.peek() });
    if (mine === epoch) keepRun(row);
  } catch (error) {
    if (error.status !== 404) throw error;
    if (mine === epoch) runsById.delete(id);
  }
  if (mine === epoch) runsRevision.value++;
}

// -- summaries

function keepSummary(summary) {
  const { run, metric } = summary;
  for (const part of ["first", "last", "min", "max"]) summary[part] = parseNumber(summary[part]);
  if (!summaries.byRun.has(run)) summaries.byRun.set(run, new Map());
  const known = summaries.byRun.get(run).get(metric);
  // An event may have come before this answer.
  if (!known || known.n <= summary.n || summary.last_time >= known.last_time) summaries.byRun.get(run).set(metric, summary);
}

async function loadSummaries(words) {
  const mine = epoch;
  try {
    await getAll("summaries", { project: view.project.peek(), limit: PAGE, ...words }, (page) => {
      if (mine !== epoch) return false;
      page.summaries.forEach(keepSummary);
      summaries.revision.value++;
    });
  } catch (error) {
    tell(error);
  }
}

/** See to it that all summaries of these runs are here, or will be. */
export function wantRuns(ids) {
  const absent = ids.filter((id) => !summaries.whole.has(id));
  for (let i = 0; i < absent.length; i += 50) {
    const some = absent.slice(i, i + 50);
    some.forEach((id) => summaries.whole.add(id));
    loadSummaries({ run: some });
  }
}

/** See to it that a metric's summaries are here, of these runs or (null) of all. */
export function wantMetrics(ids, metrics) {
  for (const metric of metrics) {
    if (summaries.asked.has(metric)) continue;
    if (ids === null) {
      summaries.asked.add(metric);
      loadSummaries({ metric });
      continue;
    }
    const absent = ids.filter((id) => !summaries.whole.has(id) && !summaries.asked.has(`${id}\n${metric}`));
    absent.forEach((id) => summaries.asked.add(`${id}\n${metric}`));
    for (let i = 0; i < absent.length; i += 50) loadSummaries({ run: absent.slice(i, i + 50), metric });
  }
}

/** Fetch again what is known of these runs' metrics. */
export function refreshSummaries(ids) {
  return ids.length ? loadSummaries({ run: ids }) : null;
}

/** Count live points in; those that are known already change nothing. */
function extendSummary(run, metric, added) {
  const known = summaries.byRun.get(run)?.get(metric);
  if (!known && !summaries.whole.has(run)) return;
  const [[step, time, value]] = added;
  const summary = known ?? {
    run, metric, n: 0, first: parseNumber(value), first_step: step, last: NaN, last_step: -Infinity, last_time: -Infinity,
    min: NaN, min_step: null, max: NaN, max_step: null,
  };
  for (const point of added) extendByPoint(summary, point[0], point[1], parseNumber(point[2]));
  if (!summaries.byRun.has(run)) summaries.byRun.set(run, new Map());
  summaries.byRun.get(run).set(metric, { ...summary });
}

function extendByPoint(summary, step, time, value) {
  if (step < summary.last_step || (step === summary.last_step && time <= summary.last_time)) return;
  summary.n++;
  summary.last = value;
  summary.last_step = step;
  summary.last_time = time;
  if (value < summary.min || (Number.isNaN(summary.min) && !Number.isNaN(value))) [summary.min, summary.min_step] = [value, step];
  if (value > summary.max || (Number.isNaN(summary.max) && !Number.isNaN(value))) [summary.max, summary.max_step] = [value, step];
}

// -- alerts

async function loadAlerts(mine, announce = false) {
  const rows = [];
  await getAll("alerts", { project: view.project.peek(), limit: PAGE }, (page) => mine === epoch && !!rows.push(...page.alerts));
  if (mine !== epoch) return;
  const byRun = new Map();
  for (const alert of rows) byRun.set(alert.run, [...(byRun.get(alert.run) ?? []), alert]);
  const known = new Set([...alerts.peek().values()].flat().map((alert) => alert.id));
  alerts.value = byRun;
  if (announce) rows.filter((alert) => !known.has(alert.id)).slice(-TOASTS).forEach(toast);
}

function toast(alert) {
  toasts.value = [...toasts.value.filter((other) => other.id !== alert.id), alert].slice(-TOASTS);
  setTimeout(() => dismiss(alert.id), 12_000);
}

export function dismiss(id) {
  toasts.value = toasts.value.filter((other) => other.id !== id);
}

// -- events

function take(batchOfEvents) {
  const named = new Set();
  let alerted = false;
  batch(() => {
    for (const event of batchOfEvents) {
      if (event.project && event.project !== view.project.peek()) continue;
      if (event.run) named.add(event.run);
      if (event.type === "alert") alerted = true;
      if (event.type === "points") takePoints(event);
    }
    summaries.revision.value++;
  });
  refreshRuns(named);
  if (alerted) loadAlerts(epoch, true).catch(tell);
}

function takePoints(event) {
  if (!event.points) {
    live.stale(event.run, event.metrics);
    return;
  }
  for (const [metric, added] of Object.entries(event.points)) {
    if (!added.length) continue;
    extendSummary(event.run, metric, added);
    live.points(event.run, metric, added);
  }
}

// -- opening

function tell(error) {
  problem.value = error.message;
}

/** The project's name changed: drop everything and fetch that of the other. */
async function open(project) {
  const mine = ++epoch;
  events?.close();
  events = null;
  runsById.clear();
  dirtyRuns = new Set();
  for (const known of [summaries.byRun, summaries.whole, summaries.asked]) known.clear();
  batch(() => {
    runsRevision.value++;
    summaries.revision.value++;
    complete.value = false;
    total.value = 0;
    alerts.value = new Map();
    toasts.value = [];
  });
  live.reset();
  if (!project) return;
  events = new Events(project, { take, reset: () => open(project) });
  // What is made between an answer and the stream's beginning would be missed: the stream comes first.
  await Promise.race([events.connected, new Promise((resolve) => setTimeout(resolve, 1000))]);
  if (mine !== epoch) return;
  try {
    await Promise.all([loadRuns(mine), loadAlerts(mine)]);
    problem.value = null;
  } catch (error) {
    tell(error);
    if (mine === epoch) setTimeout(() => mine === epoch && open(project), POLL_MS);
  }
}

async function poll() {
  try {
    const answer = await get("projects");
    const rows = answer.projects;
    if (JSON.stringify(rows) !== JSON.stringify(projects.peek())) projects.value = rows;
    if (!view.project.peek() && rows.length) openProject(rows.reduce((a, b) => (b.updated > a.updated ? b : a)).name);
    if (complete.peek() && rows.some((row) => row.name === view.project.peek())) await pollRuns();
    problem.value = null;
  } catch (error) {
    tell(error);
  }
}

/** Whether records are missing is no event: the projector that would tell is the one that lags. */
async function pollRuns() {
  const mine = epoch;
  const page = await get("runs", { project: view.project.peek(), limit: 1 });
  if (mine !== epoch) return;
  missing.value = page.missing;
  if (page.total !== runsById.size) await loadRuns(mine);
}

/** Begin: follow the project of the view, and look after it every few seconds. */
export function followProject() {
  effect(() => {
    const project = view.project.value;
    queueMicrotask(() => open(project));
  });
  poll();
  setInterval(() => document.hidden || poll(), POLL_MS);
}

/** The pill's word on what is here, and a short one for a narrow screen. */
export const completeness = computed(() => {
  const lag = formatCount(missing.value);
  if (missing.value > 0) return { ok: false, text: `${plural(missing.value, "record")} missing`, short: `${lag} missing` };
  if (!complete.value) return { ok: true, text: "reading…", short: "reading…" };
  return { ok: true, text: `all ${plural(points.value, "point")} here`, short: "all here" };
});
