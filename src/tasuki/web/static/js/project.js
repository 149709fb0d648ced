/** What the page knows of the project: runs, summaries, alerts. Fetched once, then kept by events. */
import { get, getAll, post } from "./api.js";
import { Events } from "./events.js";
import { formatCount, parseNumber, plural } from "./format.js";
import { batch, computed, effect, signal } from "./html.js";
import { forgetToasts, toast } from "./toasts.js";
import { view } from "./view.js";

const PAGE = 1000;
const POLL_MS = 5000;
const POLL_SOON_MS = 1500; // while there is nothing, or not all
const ROWS_MS = 300;
const COUNTS_MS = 3000;
const ROWS_AT_ONCE = 20;
const TOASTS = 3;
const BATCH = 50; // runs in one request: a URL has its limits

export const projects = signal(null);
export const problem = signal(null);
export const missing = signal(0);
export const total = signal(0);
/** Whether the whole list of runs has come. */
export const complete = signal(false);
export const alerts = signal(new Map());
/** The servers that this folder's own records are sent to, as far as whoever looks may know of them. */
export const remotes = signal([]);
/** Another number whenever there may be other notes. */
export const notesRevision = signal(0);
/** Another number whenever there may be other files. */
export const filesRevision = signal(0);

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

const counted = signal(0);

/** How many points there are in all. */
export const points = computed(() => {
  counted.value;
  runsRevision.value;
  let sum = 0;
  for (const run of runsById.values()) sum += run.points;
  return sum;
});

let events = null;
let opened = null;
let epoch = 0; // counts openings: answers to an earlier one are dropped
const changedRuns = new Set(); // to be fetched soon: they began, ended or were edited
const grownRuns = new Set(); // to be fetched now and then, for their exact counts
let rowsTimer = 0;
let countsTimer = 0;

// -- runs

function keepRun(row) {
  const { id, name, status, group, notes, tags, reason, created, updated, ended, points: n, lost, stop } = row;
  const haystack = [name, id, group ?? "", notes ?? "", ...tags].join("\n").toLowerCase();
  runsById.set(id, { id, name, status, group, notes, tags, reason, created, updated, ended, points: n, lost, stop, haystack });
}

/** Fetch the list, the newest first; `enough()` may end it early, else what it does not name is gone. */
async function loadRuns(mine, enough = () => false) {
  const seen = new Set();
  let whole = true;
  await getAll("runs", { project: view.project.peek(), order: "-created", limit: PAGE }, (page) => {
    if (mine !== epoch) return false;
    batch(() => {
      for (const row of page.runs) {
        keepRun(row);
        seen.add(row.id);
      }
      total.value = page.total;
      missing.value = page.missing;
      runsRevision.value++;
    });
    if (enough(seen)) whole = false;
    return whole;
  });
  if (mine !== epoch || !whole) return;
  for (const id of runsById.keys()) if (!seen.has(id)) runsById.delete(id);
  batch(() => {
    runsRevision.value++;
    complete.value = true;
  });
}

/** Fetch the rows of runs that have changed: soon, and no more than a few at once. */
function refreshRuns() {
  if (!changedRuns.size) return;
  rowsTimer ||= setTimeout(async () => {
    const mine = epoch;
    const due = [...changedRuns];
    changedRuns.clear();
    try {
      if (due.length > ROWS_AT_ONCE) await loadRuns(mine, (seen) => due.every((id) => seen.has(id)));
      else await Promise.all(due.map((id) => refreshRun(id, mine)));
    } catch (error) {
      tell(error);
    }
    rowsTimer = 0;
    refreshRuns();
  }, ROWS_MS);
}

/** Fetch the rows of runs that have grown: live points are counted as they come, and their rows know exactly. */
function recount() {
  if (!grownRuns.size) return;
  countsTimer ||= setTimeout(() => {
    countsTimer = 0;
    for (const id of [...grownRuns].slice(0, ROWS_AT_ONCE)) {
      grownRuns.delete(id);
      changedRuns.add(id);
    }
    refreshRuns();
    recount();
  }, COUNTS_MS);
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

/** Ask a run to stop. */
export async function stopRun(run) {
  try {
    keepRun(await post(`runs/${encodeURIComponent(run.id)}/stop`, { project: view.project.peek() }, { by: "the page" }));
    runsRevision.value++;
  } catch (error) {
    toast({ id: `stop-${run.id}`, level: "error", title: error.message, text: run.name });
  }
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
      return true;
    });
  } catch (error) {
    tell(error);
  }
}

/** After a reset nothing of before counts: fetch the summaries of the same runs anew, then put them in place at once. */
async function renewSummaries(mine) {
  const ids = [...summaries.whole];
  const rows = [];
  for (let i = 0; i < ids.length; i += BATCH) {
    const words = { project: view.project.peek(), limit: PAGE, run: ids.slice(i, i + BATCH) };
    await getAll("summaries", words, (page) => mine === epoch && !!rows.push(...page.summaries));
  }
  if (mine !== epoch) return;
  const old = new Set(ids);
  for (const id of summaries.byRun.keys()) if (old.has(id) || !summaries.whole.has(id)) summaries.byRun.delete(id);
  summaries.asked.clear();
  rows.forEach(keepSummary);
}

/** See to it that all summaries of these runs are here, or will be. */
export function wantRuns(ids) {
  const absent = ids.filter((id) => !summaries.whole.has(id));
  for (let i = 0; i < absent.length; i += BATCH) {
    const some = absent.slice(i, i + BATCH);
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
    for (let i = 0; i < absent.length; i += BATCH) loadSummaries({ run: absent.slice(i, i + BATCH), metric });
  }
}

/** Fetch again what is known of these runs' metrics. */
export function refreshSummaries(ids) {
  const batches = [];
  for (let i = 0; i < ids.length; i += BATCH) batches.push(loadSummaries({ run: ids.slice(i, i + BATCH) }));
  return Promise.all(batches);
}

/** Count live points in and tell how many are new: those that are known already change nothing. */
function extendSummary(run, metric, added) {
  const known = summaries.byRun.get(run)?.get(metric);
  if (!known && !summaries.whole.has(run)) return added.length;
  const [[step, time, value]] = added;
  const summary = known ?? {
    run, metric, n: 0, first: parseNumber(value), first_step: step, last: NaN, last_step: -Infinity, last_time: -Infinity,
    min: NaN, min_step: null, max: NaN, max_step: null,
  };
  const before = summary.n;
  for (const point of added) extendByPoint(summary, point[0], point[1], parseNumber(point[2]));
  if (!summaries.byRun.has(run)) summaries.byRun.set(run, new Map());
  summaries.byRun.get(run).set(metric, { ...summary });
  return summary.n - before;
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
  if (announce) rows.filter(({ id }) => !known.has(id)).slice(-TOASTS).map(toastOf).forEach(toast);
}

function toastOf({ id, level, title, run_name, step }) {
  return { id, level, title, text: step === null ? run_name : `${run_name} · step ${step}` };
}

// -- events

function take(batchOfEvents) {
  let alerted = false;
  batch(() => {
    for (const event of batchOfEvents) {
      if (event.project !== view.project.peek()) continue;
      if (event.type === "run") changedRuns.add(event.run);
      if (event.type === "alert") alerted = true;
      if (event.type === "note") notesRevision.value++;
      if (event.type === "file") filesRevision.value++;
      if (event.type === "points") takePoints(event);
    }
    summaries.revision.value++;
    counted.value++;
  });
  refreshRuns();
  recount();
  if (alerted) loadAlerts(epoch, true).catch(tell);
}

function takePoints(event) {
  const run = runsById.get(event.run);
  (run ? grownRuns : changedRuns).add(event.run);
  if (!event.points) {
    live.stale(event.run, event.metrics);
    return;
  }
  for (const [metric, added] of Object.entries(event.points)) {
    if (!added.length) continue;
    const fresh = extendSummary(event.run, metric, added);
    if (run) run.points += fresh;
    live.points(event.run, metric, added);
  }
}

// -- opening

function tell(error) {
  problem.value = error.message;
}

/** Drop what is known: another project is looked at. */
function forget() {
  for (const known of [runsById, changedRuns, grownRuns, summaries.byRun, summaries.whole, summaries.asked]) known.clear();
  batch(() => {
    runsRevision.value++;
    summaries.revision.value++;
    complete.value = false;
    total.value = 0;
    missing.value = 0;
    alerts.value = new Map();
    forgetToasts();
  });
}

/** Fetch the project, and listen. The same one again: what is on the page stays until the new answers are here. */
async function open(project) {
  const mine = ++epoch;
  const again = project === opened;
  opened = project;
  events?.close();
  events = null;
  if (!again) {
    forget();
    live.reset();
  }
  if (!project) return;
  events = new Events(project, { take, reset: () => open(project) });
  if (again) events.hold();
  await events.connected;
  if (mine !== epoch) return;
  notesRevision.value++;
  filesRevision.value++;
  try {
    await Promise.all([loadRuns(mine), loadAlerts(mine), again && renewSummaries(mine)]);
    if (mine !== epoch) return;
    problem.value = null;
  } catch (error) {
    tell(error);
    setTimeout(() => mine === epoch && open(project), POLL_MS);
    return;
  }
  if (again) {
    live.reset();
    summaries.revision.value++;
    events.release();
  }
}

async function poll() {
  try {
    const answer = await get("projects");
    const rows = answer.projects;
    if (JSON.stringify(rows) !== JSON.stringify(projects.peek())) projects.value = rows;
    if (complete.peek() && rows.some((row) => row.name === view.project.peek())) await pollRuns();
    await pollRemotes();
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
  total.value = page.total;
  if (page.total !== runsById.size) await loadRuns(mine);
}

let scope = null;

/** How it stands with the servers that records go on to: whoever runs this one may know. */
async function pollRemotes() {
  scope ??= (await get("session")).scope;
  if (scope === "admin") remotes.value = (await get("remotes")).remotes;
}

/** Begin: follow the project of the view, and look after it every few seconds. */
export function followProject() {
  effect(() => {
    const project = view.project.value;
    const known = projects.value ?? [];
    if (project) return;
    if (known.length) view.project.value = known.reduce((a, b) => (b.updated > a.updated ? b : a)).name;
  });
  effect(() => {
    const project = view.project.value;
    queueMicrotask(() => open(project));
  });
  const again = async () => {
    if (!document.hidden) await poll();
    setTimeout(again, projects.peek()?.length && !missing.peek() ? POLL_MS : POLL_SOON_MS);
  };
  again();
}

/** The pill's word on what is here, and a short one for a narrow screen. */
export const completeness = computed(() => {
  const lag = formatCount(missing.value);
  const stuck = remotes.value.find((remote) => remote.backlog || remote.health === "paused");
  if (stuck) {
    const waiting = `${plural(stuck.pending, "record")} wait for ${stuck.remote}`;
    return { ok: false, text: waiting, short: `${formatCount(stuck.pending)} wait`, why: stuck.last_error };
  }
  if (missing.value > 0) return { ok: false, text: `${plural(missing.value, "record")} missing`, short: `${lag} missing` };
  if (!complete.value) return { ok: true, text: "reading…", short: "reading…" };
  return { ok: true, text: `all ${plural(points.value, "point")} here`, short: "all here" };
});
