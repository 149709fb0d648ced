/** The server, asked: relative URLs, so that the page also works behind a proxy's path. */
import { parseFrame } from "./frame.js";
import { signal } from "./html.js";

const JSON_TYPE = "application/json";
const FRAME = "application/x-tasuki-frame";
const AT_ONCE = 4; // of a browser's six connections to a host: one is the event stream's, one stays free

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Whether the server wants a token that it has not been shown. */
export const locked = signal(false);

let running = 0;
const waiting = [];

async function turn(work) {
  if (running >= AT_ONCE) await new Promise((resolve) => waiting.push(resolve));
  running++;
  try {
    return await work();
  } finally {
    running--;
    waiting.shift()?.();
  }
}

function address(path, words) {
  const url = new URL(`api/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(words)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) url.searchParams.append(name, one);
    }
  }
  return url;
}

async function ask(path, words, accept, more = {}) {
  const answer = await fetch(address(path, words), { headers: { Accept: accept }, cache: "no-cache", ...more }).catch(() => {
    throw new ApiError("the server can't be reached", 0);
  });
  return checked(answer);
}

async function checked(answer) {
  if (answer.ok) return answer;
  locked.value ||= answer.status === 401;
  const problem = await answer.json().catch(() => ({}));
  throw new ApiError(problem.detail || problem.title || `the server answered ${answer.status}`, answer.status);
}

/** Show the server a token, which the browser then keeps. */
export async function logIn(token) {
  await checked(await fetch(address("v1/session", {}), { method: "POST", headers: { Authorization: `Bearer ${token}` } }));
}

/** A JSON answer. */
export function get(path, words = {}) {
  return turn(async () => (await ask(`v1/${path}`, words, JSON_TYPE)).json());
}

/** A JSON answer about jobs. */
export function getCloud(path, words = {}) {
  return turn(async () => (await ask(`cloud/${path}`, words, JSON_TYPE)).json());
}

/** Have something done about jobs. */
export function postCloud(path) {
  return turn(async () => (await ask(`cloud/${path}`, {}, JSON_TYPE, { method: "POST" })).json());
}

/** Where a job's lines come as they are written. */
export function logStream(id) {
  return new EventSource(address(`cloud/jobs/${encodeURIComponent(id)}/logs/stream`, {}));
}

/** Tell the server something; a JSON answer. */
export function post(path, words, content) {
  const headers = { Accept: JSON_TYPE, "Content-Type": JSON_TYPE };
  return turn(async () => (await ask(`v1/${path}`, words, JSON_TYPE, { method: "POST", headers, body: JSON.stringify(content) })).json());
}

/** All of a list, page by page: `take(page)` gets each as it comes and may answer false to stop. */
export async function getAll(path, words, take) {
  let cursor = null;
  do {
    const page = await get(path, { ...words, cursor });
    if (take(page) === false) return;
    cursor = page.next;
  } while (cursor);
}

/** One metric of some runs as columns of min, max, last and NaN; `zoom` is [from, to] or null. */
export function getSeries({ project, metric, runs, columns, zoom }) {
  const words = { project, metric, run: runs, columns, from_step: zoom?.[0], to_step: zoom?.[1] };
  return turn(async () => parseFrame(await (await ask("v1/series", words, FRAME)).arrayBuffer())[0]);
}
