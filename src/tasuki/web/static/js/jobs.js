/**
 * The jobs: all that are not over, and the newest of those that are. Fetched when the page is opened, then kept by events.
 *
 * Every 30 s the server is asked to look at the active jobs itself; every 5 s the progress of running jobs in sight is asked for.
 * A job that is over is never asked for again.
 */
import { ApiError, getCloud, postCloud } from "./api.js";
import { Events } from "./events.js";
import { computed, effect, signal } from "./html.js";
import { page } from "./page.js";
import { problem } from "./project.js";
import { toast } from "./toasts.js";
import { view } from "./view.js";

export const ACTIVE = ["running", "queued", "uploading", "pending"];
export const FINAL = ["completed", "failed", "cancelled"];
const MOST = 500; // in one answer
const STEP = 100;
const LOOK_MS = 30_000;
const PROGRESS_MS = 5000;
const SIGHT_MS = 100;
const ROWS_AT_ONCE = 20;

const byId = new Map();
const revision = signal(0);
/** Whether the list has come. */
export const loaded = signal(false);
/** How many jobs there are that are over and match. */
export const totalFinal = signal(0);
/** How many of them are wanted: more when the reader asks for more. */
const wanted = signal(STEP);
/** Counts by status, and costs. */
export const metrics = signal(null);
export const providers = signal([]);
export const syncing = signal(false);
/** What the lines of running jobs say, by job. */
export const progress = signal(new Map());
const inSight = new Set();
let sightTimer = 0;

const rank = ({ status }) => ACTIVE.indexOf(status);
const inOrder = (a, b) => rank(a) - rank(b) || b.created - a.created || (a.job_id < b.job_id ? 1 : -1);
const listed = (isActive) =>
  computed(() => {
    revision.value;
    return [...byId.values()].filter((job) => job.is_active === isActive && matches(job)).sort(inOrder);
  });
export const activeJobs = listed(true);
export const finalJobs = listed(false);

/** A job by its id, for whoever looks at it. */
export function jobOf(id) {
  revision.value;
  return byId.get(id);
}

export function nameOf(job) {
  const { command, model } = job.metadata;
  return String(job.config_name || command?.join?.(" ") || model || job.external_id || job.job_id);
}

/** Where it runs: its provider, and which host of it. */
export function placeOf({ provider, metadata }) {
  return provider === "hpc" && metadata.site ? `${provider}/${metadata.site}` : provider;
}

/** How many seconds are left, if it goes on as it did; null where nobody can say. */
export function secondsLeft(job, percent, now) {
  const ran = (now - job.started) / 1000;
  return percent && percent < 100 && job.started !== null && ran > 2 ? ran * (100 / percent - 1) : null;
}

function matches(job) {
  return [job.status, ""].includes(view.state.value) && [job.provider, ""].includes(view.provider.value);
}

// -- fetching

let epoch = 0;
let working = Promise.resolve();

/** One after the other: a later answer is never of an earlier time. */
function inTurn(work) {
  working = working.then(work).catch((error) => {
    problem.value = error.message;
  });
  return working;
}

function keep(row) {
  const at = (time) => (time === null ? null : Date.parse(time));
  byId.set(row.job_id, { ...row, created: at(row.created_at), started: at(row.started_at), completed: at(row.completed_at) });
}

/** All of a list, or the newest of it. */
async function fetchRows(words, most) {
  const rows = [];
  let total = 0;
  do {
    const limit = Math.min(MOST, most - rows.length);
    const answer = await getCloud("jobs", { ...words, provider: view.provider.peek() || null, order: "-created", limit, offset: rows.length });
    total = answer.total;
    rows.push(...answer.jobs);
    if (answer.jobs.length < limit) break;
  } while (rows.length < Math.min(most, total));
  return { rows, total };
}

async function fetchFinal() {
  return fetchRows({ status: chosen(FINAL) }, wanted.peek());
}

/** Those of these statuses that are to be listed. */
function chosen(statuses) {
  const state = view.state.peek();
  return (state ? statuses.filter((status) => status === state) : statuses).join(",");
}

async function loadHead() {
  const [counts, list] = await Promise.all([getCloud("metrics"), getCloud("providers")]);
  metrics.value = counts;
  providers.value = list.providers;
}

const NONE = { rows: [], total: 0 };

function load() {
  const mine = ++epoch;
  return inTurn(async () => {
    if (mine !== epoch) return; // another one is behind it
    const active = chosen(ACTIVE);
    const [now, over] = await Promise.all([
      active ? fetchRows({ status: active }, Infinity) : NONE,
      chosen(FINAL) ? fetchFinal() : NONE,
      loadHead(),
      view.job.peek() && refresh(view.job.peek()),
    ]);
    const seen = byId.get(view.job.peek());
    byId.clear();
    if (seen) byId.set(seen.job_id, seen);
    [...now.rows, ...over.rows].forEach(keep);
    totalFinal.value = over.total;
    loaded.value = true;
    problem.value = null;
    revision.value++;
  });
}

async function refresh(id) {
  try {
    keep((await getCloud(`jobs/${encodeURIComponent(id)}`)).job);
  } catch (error) {
    if (error.status !== 404) throw error;
    byId.delete(id);
  }
  revision.value++;
}

export function moreJobs() {
  wanted.value += STEP;
  load();
}

// -- events

const changed = new Set();

function take(events) {
  let all = false;
  for (const { type, job_id: id, status } of events) {
    all ||= type.startsWith("provider_") || type === "job_deleted"; // another provider: how good what is known of its jobs is
    if (!["job_status_changed", "job_updated"].includes(type)) continue;
    changed.add(id);
    const job = byId.get(id);
    if (job && status) byId.set(id, { ...job, status, is_active: ACTIVE.includes(status) }); // the rest follows
  }
  if (all) load();
  if (changed.size) {
    revision.value++;
    refreshChanged();
  }
}

function refreshChanged() {
  inTurn(async () => {
    const ids = [...changed];
    changed.clear();
    if (ids.length > ROWS_AT_ONCE) load();
    if (!ids.length || ids.length > ROWS_AT_ONCE) return;
    await Promise.all([...ids.map(refresh), loadHead()]);
    if (!chosen(FINAL) || ids.every((id) => byId.get(id)?.is_active)) return;
    const { rows, total } = await fetchFinal();
    rows.forEach(keep);
    totalFinal.value = total;
    revision.value++;
  });
}

// -- what the page does now and then

const isShown = () => page.peek() === "jobs" && !document.hidden;

/** Have the server look at the active jobs, then fetch them. */
async function look() {
  if (!isShown()) return;
  try {
    await getCloud("jobs", { sync_active: true, limit: 1 });
  } catch (error) {
    problem.value = error.message;
    return;
  }
  load();
}

/** A running job comes into sight, or goes. */
export function inView(id, isInView) {
  if (!isInView) inSight.delete(id);
  else if (!inSight.has(id)) {
    inSight.add(id);
    sightTimer ||= setTimeout(lookAtProgress, SIGHT_MS);
  }
}

async function lookAtProgress() {
  clearTimeout(sightTimer);
  sightTimer = 0;
  if (!isShown()) return;
  const found = new Map();
  const running = [...new Set([...inSight, view.job.peek()])].filter((id) => byId.get(id)?.status === "running");
  const asked = running.map(async (id) => found.set(id, await getCloud(`jobs/${encodeURIComponent(id)}/inline-progress`)));
  for (const { reason } of await Promise.allSettled(asked)) if (reason && reason.status !== 404) problem.value = reason.message;
  progress.value = found;
}

let events = null;

/** Listen, if we don't yet. */
async function listen() {
  if (events) return;
  events = new Events("", { take, reset: load });
  await events.connected;
}

/** Begin: while the page is open, listen, fetch, and ask anew. */
export function followJobs() {
  effect(() => {
    if (page.value !== "jobs") {
      events?.close();
      events = null;
      return;
    }
    view.state.value;
    view.provider.value;
    wanted.value = STEP;
    listen().then(load);
  });
  effect(() => {
    const id = view.job.value;
    if (page.value === "jobs" && id) inTurn(() => byId.has(id) || refresh(id)).then(lookAtProgress);
  });
  setInterval(look, LOOK_MS);
  setInterval(lookAtProgress, PROGRESS_MS);
  document.addEventListener("visibilitychange", () => isShown() && load().then(lookAtProgress));
}

// -- what the reader does

/** Look for jobs at all providers. */
export async function syncJobs() {
  syncing.value = true;
  try {
    const { message, errors } = await postCloud("jobs/sync");
    toast({ id: "jobs-sync", level: errors.length ? "warn" : "info", title: message, text: errors.join("\n") });
    await load();
  } catch (error) {
    tell("The jobs could not be synced", error);
  } finally {
    syncing.value = false;
  }
}

function tell(title, error) {
  if (!(error instanceof ApiError)) throw error;
  toast({ level: "error", title, text: error.message });
}

/** Have the server do something with a job. */
async function act(job, what, done, failed) {
  try {
    await postCloud(`jobs/${encodeURIComponent(job.job_id)}/${what}`);
    toast({ title: done });
  } catch (error) {
    tell(failed, error);
  }
  changed.add(job.job_id);
  refreshChanged();
}

export function cancelJob(job) {
  return act(job, "cancel", `Cancelling ${nameOf(job)}`, `${nameOf(job)} could not be cancelled`);
}

export function retryJob(job) {
  return act(job, "retry", `${nameOf(job)} is tried again`, `${nameOf(job)} could not be tried again`);
}
