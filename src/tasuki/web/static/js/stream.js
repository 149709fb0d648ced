/**
 * The event stream: one for all tabs of a browser, which has six connections to a server in all.
 *
 * The tab that has the lock holds the stream and passes on what comes; the others wait for the lock. Each tab shares a lock that
 * names the project it looks at, so whoever opens the stream knows what is wanted, also after a tab has crashed. Without locks (a
 * page from another machine without TLS) each tab holds a stream of its own.
 */
import { signal } from "./html.js";

const QUIET_MS = 40_000; // a heartbeat comes every 15 s
const LOOK_MS = 5000;
const AGAIN_MS = 5000;
const HERE = new URL(".", document.baseURI).pathname; // another server may be below the same origin
const HOLDER = `tasuki.stream ${HERE}`;
const LOOKED_AT = `tasuki.project ${HERE} `;
const KINDS = ["message", "connection", "heartbeat", "reset"];

/** How the stream stands: connecting, live or offline. */
export const stream = signal("connecting");

const listeners = new Set();
const channel = navigator.locks ? new BroadcastChannel(HOLDER) : null;
let begun = false;
let waiting = null; // for the lock
let last = null; // the id of the latest event, in every tab: whoever takes over goes on behind it
let heardAt = 0;

// in the tab that holds the stream
let holding = false;
let source = null;
let asked = null; // the projects that the source tells of; none: all
let connected = false;
let looking = false;
let lookAgain = false;
let againTimer = 0;

// -- for every tab

/**
 * Listen from now on: `message(data)` for each event, also of other projects; `reset()`: what was fetched is no longer to be
 * trusted. `opened` is settled once nothing of the project can be missed any more; `leave()` ends it.
 */
export function attend(project, { message, reset }) {
  const listener = { project, message, reset };
  const opened = new Promise((resolve) => (listener.open = resolve));
  listeners.add(listener);
  const release = lookAt(project);
  begin();
  const leave = () => {
    listeners.delete(listener);
    release();
  };
  return { opened, leave };
}

/** Hold the shared lock that says which project is looked at, until it is let go. */
function lookAt(project) {
  let release = () => {};
  const look = () => (holding ? cover() : tell({ look: true }));
  if (channel && project) {
    const done = new Promise((resolve) => (release = resolve));
    navigator.locks.request(LOOKED_AT + project, { mode: "shared" }, () => (look(), done));
  } else {
    queueMicrotask(look);
  }
  return release;
}

function begin() {
  if (begun) return;
  begun = true;
  heardAt = performance.now();
  setInterval(watch, LOOK_MS);
  if (!channel) {
    hold();
    return;
  }
  channel.onmessage = ({ data }) => hear(data);
  queue();
}

/** Wait for the lock; or `steal` it from a tab that says nothing any more. */
function queue({ steal = false } = {}) {
  waiting?.abort();
  waiting = new AbortController();
  const options = steal ? { steal } : { signal: waiting.signal };
  const held = () => {
    hold();
    return new Promise(() => {});
  };
  navigator.locks.request(HOLDER, options, held).catch(() => {
    if (!holding) return; // it is waited for anew
    drop(); // another tab took it
    queue();
  });
}

function watch() {
  const quiet = performance.now() - heardAt > QUIET_MS;
  if (quiet) heardAt = performance.now();
  if (holding) {
    if (quiet) {
      pass({ status: "offline" });
      connect(asked ?? []); // a connection that is dead, as after the machine has slept
    }
    tell({ status: stream.value });
  } else if (quiet && channel && !document.hidden) {
    queue({ steal: true });
  }
}

/** What the tab that holds the stream says; what others say is for that one alone. */
function hear({ look, status, open, id, data, reset }) {
  if (look) {
    if (holding) cover();
    return;
  }
  heardAt = performance.now();
  last = id ?? last;
  if (status) stream.value = status;
  if (open) [...listeners].filter(({ project }) => covers(open, project)).forEach((listener) => listener.open());
  if (reset) [...listeners].forEach((listener) => listener.reset());
  if (data) listeners.forEach((listener) => listener.message(data));
}

function covers(projects, project) {
  return !projects.length || !project || projects.includes(project);
}

// -- for the one that holds it

function tell(message) {
  channel?.postMessage(message);
}

/** Tell the others, and do as they are told. */
function pass(message) {
  tell(message);
  hear(message);
}

function hold() {
  holding = true;
  cover();
}

function drop() {
  holding = false;
  source?.close();
  source = null;
  asked = null;
  clearTimeout(againTimer);
}

/** See to it that the stream tells of every project that is looked at. */
async function cover() {
  lookAgain = true;
  if (looking) return;
  looking = true;
  let projects = [];
  while (lookAgain) {
    lookAgain = false;
    projects = await lookedAt();
  }
  looking = false;
  if (!holding) return;
  if (!asked || !projects.every((project) => covers(asked, project))) connect(projects);
  else if (connected) pass({ open: asked, status: stream.value });
}

/** The projects that any tab looks at. */
async function lookedAt() {
  const { held = [] } = channel ? await navigator.locks.query() : {};
  const others = held.filter(({ name }) => name.startsWith(LOOKED_AT)).map(({ name }) => name.slice(LOOKED_AT.length));
  const own = [...listeners].map(({ project }) => project).filter(Boolean);
  return [...new Set([...own, ...others])].sort();
}

/** Open the stream, behind the last event that was heard. */
function connect(projects) {
  source?.close();
  clearTimeout(againTimer);
  asked = projects;
  connected = false;
  const url = new URL("api/events", document.baseURI);
  for (const project of projects) url.searchParams.append("project", project);
  if (last) url.searchParams.set("last_event_id", last);
  const mine = (source = new EventSource(url));
  if (stream.value !== "live") pass({ status: "connecting" });
  const take = ({ type, lastEventId, data }) => {
    if (mine !== source) return;
    connected = true;
    pass({
      id: lastEventId || null,
      status: "live",
      open: type === "connection" ? projects : null,
      reset: type === "reset",
      data: type === "message" ? data : null,
    });
  };
  KINDS.forEach((kind) => mine.addEventListener(kind, take));
  mine.addEventListener("error", () => {
    if (mine !== source) return;
    connected = false;
    pass({ status: "offline" });
    // The browser connects again by itself, but for an answer that is no stream: then it gives up, and we try later.
    if (mine.readyState === EventSource.CLOSED) againTimer = setTimeout(() => retry(projects), AGAIN_MS);
  });
}

/** After a refusal: one of the projects may not be theirs, so ask for whatever they may see, and then again for what is looked at. */
function retry(refused) {
  if (refused.length) {
    connect([]);
    return;
  }
  asked = null;
  cover();
}
