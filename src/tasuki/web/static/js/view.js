/** The view: everything the reader has chosen. All of it is in the URL's fragment, so that a link shows the same page. */
import { batch, effect, signal } from "./html.js";

export const view = {
  project: signal(""),
  query: signal(""),
  /** Ids of the runs in the charts; null: the newest ones of the list. */
  chosen: signal(null),
  sort: signal({ key: "created", down: true }),
  /** Metrics with a column; null: picked from what there is. */
  columns: signal(null),
  /** Steps [from, to] of all charts; null: everything. */
  zoom: signal(null),
  /** Metrics with a logarithmic axis; "*" stands for all. */
  log: signal([]),
  /** Groups of charts that the reader has closed or opened: `system` is closed by itself. */
  folded: signal(["system"]),
  /** The id of the run whose files are in the list; empty: all. */
  run: signal(""),
  /** "runs", "notes", "files" or "jobs"; empty: runs, if the project has any. */
  page: signal(""),
  /** The kind of notes in the list; empty: all. */
  kind: signal(""),
  /** The status of the jobs in the list, their provider; empty: all. The job that is looked at. */
  state: signal(""),
  provider: signal(""),
  job: signal(""),
  theme: signal("auto"),
  tab: signal("charts"),
};

const PAGES = ["runs", "notes", "files", "jobs"];
const KINDS = ["correction", "lesson", "event"];
const STATES = ["pending", "uploading", "queued", "running", "completed", "failed", "cancelled"];
const THEMES = ["auto", "light", "dark"];
const list = (text) => (text === null ? null : text.split(",").filter(Boolean).map(decodeURIComponent));
const text = (items) => items.map((item) => item.replace(/[%,]/g, encodeURIComponent)).join(",");

function parseZoom(words) {
  const [from, to] = (words ?? "").split("..").map(Number);
  return words && Number.isFinite(from) && Number.isFinite(to) && from < to ? [from, to] : null;
}

/** Take the view from a fragment. What it does not name is as it is at first. */
function read(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const sort = words.get("sort") || "-created";
  const theme = words.get("theme") ?? storedTheme();
  batch(() => {
    view.project.value = words.get("project") ?? "";
    view.query.value = words.get("q") ?? "";
    view.chosen.value = list(words.get("runs"));
    view.sort.value = { key: sort.replace(/^-/, ""), down: sort.startsWith("-") };
    view.columns.value = list(words.get("cols"));
    view.zoom.value = parseZoom(words.get("x"));
    view.log.value = list(words.get("log")) ?? [];
    view.folded.value = list(words.get("folded")) ?? ["system"];
    view.page.value = PAGES.includes(words.get("page")) ? words.get("page") : "";
    view.kind.value = KINDS.includes(words.get("kind")) ? words.get("kind") : "";
    view.run.value = words.get("run") ?? "";
    view.state.value = STATES.includes(words.get("state")) ? words.get("state") : "";
    view.provider.value = words.get("provider") ?? "";
    view.job.value = words.get("job") ?? "";
    view.theme.value = THEMES.includes(theme) ? theme : "auto";
    view.tab.value = words.get("tab") === "runs" ? "runs" : "charts";
  });
}

/** The fragment of the view as it is. */
function written() {
  const words = new URLSearchParams();
  const put = (name, value) => value !== null && value !== "" && words.set(name, value);
  const { key, down } = view.sort.value;
  const sort = (down ? "-" : "") + key;
  const folded = text(view.folded.value);
  put("project", view.project.value);
  put("page", view.page.value);
  put("kind", view.kind.value);
  put("run", view.run.value);
  put("state", view.state.value);
  put("provider", view.provider.value);
  put("job", view.job.value);
  put("q", view.query.value);
  if (view.chosen.value) words.set("runs", text(view.chosen.value));
  put("sort", sort === "-created" ? "" : sort);
  if (view.columns.value) words.set("cols", text(view.columns.value));
  put("x", view.zoom.value ? view.zoom.value.join("..") : "");
  put("log", text(view.log.value));
  if (folded !== "system") words.set("folded", folded);
  put("theme", view.theme.value === "auto" ? "" : view.theme.value);
  put("tab", view.tab.value === "charts" ? "" : view.tab.value);
  // Readable where that is safe: the fragment is the reader's.
  return words.toString().replace(/%2F/g, "/").replace(/%2C/g, ",").replace(/%3A/g, ":");
}

function storedTheme() {
  try {
    return localStorage.getItem("tasuki.theme");
  } catch {
    return null; // a frame without storage
  }
}

/** Read the URL now and when it changes; write it whenever the view does. */
export function followUrl() {
  read(location.hash);
  addEventListener("hashchange", () => location.hash.replace(/^#/, "") !== written() && read(location.hash));
  effect(() => {
    const fragment = written();
    if (location.hash.replace(/^#/, "") !== fragment) history.replaceState(null, "", `#${fragment}`);
  });
  effect(() => {
    try {
      localStorage.setItem("tasuki.theme", view.theme.value);
    } catch {
      // a frame without storage
    }
  });
}

/** The same list with `item` in it or not. */
export function toggled(items, item) {
  return items.includes(item) ? items.filter((other) => other !== item) : [...items, item];
}

/** Another project: the runs, the zoom and the filter of this one mean nothing there. */
export function openProject(name) {
  batch(() => {
    view.project.value = name;
    view.chosen.value = null;
    view.columns.value = null;
    view.zoom.value = null;
    view.kind.value = "";
    view.run.value = "";
    turnTo("");
  });
}

/** Another page. */
export function openPage(name) {
  if (view.page.value !== name) batch(() => turnTo(name));
}

/** What was searched on the page before, or looked at, means nothing on the next one. */
function turnTo(name) {
  for (const part of ["query", "state", "provider", "job"]) view[part].value = "";
  view.page.value = name;
}
