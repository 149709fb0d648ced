/** The runs: a table of which only the rows in sight are in the document; cards on a narrow screen. */
import { formatAge, formatCount, formatMoment, formatValue, plural } from "./format.js";
import { effect, html, signal, useEffect, useLayoutEffect, useRef, useSignal } from "./html.js";
import { Icon, Mark, State } from "./icons.js";
import { DASHES } from "./palette.js";
import { alerts, complete, runs, stopRun, summaries, total, wantMetrics } from "./project.js";
import { byName, columns, listed, marks, metricNames, MOST, shownIds, toggleRun } from "./selection.js";
import { toggled, view } from "./view.js";

const OVERSCAN = 4;
const STRIDE = 8;
const [PICK, NAME, STATE, METRIC, AGE] = [62, 102, 94, 76, 58]; // widths of the columns
const SETTLE_MS = 80;
const ROW = { table: 28, cards: 68 };

export const narrow = signal(false);
/** The run under the keyboard's cursor. */
export const cursor = signal(null);
/** The time, every five seconds. */
export const now = signal(Date.now());

/** Follow the width of the screen and the time of day. */
export function followScreen() {
  const query = matchMedia("(max-width: 760px)");
  narrow.value = query.matches;
  query.addEventListener("change", () => (narrow.value = query.matches));
  setInterval(() => document.hidden || (now.value = Date.now()), 5000);
}

/** Move the keyboard's cursor down or up the list. */
export function moveCursor(by) {
  const rows = listed.peek();
  if (!rows.length) return;
  const at = rows.findIndex((run) => run.id === cursor.peek());
  cursor.value = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))].id;
}

// -- head

function HeadCell({ name, label, align }) {
  const { key, down } = view.sort.value;
  const active = key === name;
  const sort = active ? (down ? "descending" : "ascending") : "none";
  // Names begin at A, numbers and times with the largest; a second click turns it.
  const flip = () => (view.sort.value = { key: name, down: active ? !down : !["name", "status"].includes(name) });
  return html`<div role="columnheader" aria-sort=${sort} class=${`cell ${align ?? ""}`}>
    <button type="button" class="sort" onClick=${flip} title=${`Sort by ${label}`}>
      <span>${label}</span>${active && html`<span class="arrow" aria-hidden="true">${down ? "↓" : "↑"}</span>`}
    </button>
  </div>`;
}

function ColumnsMenu() {
  const menu = useRef(null);
  useEffect(() => {
    const close = (event) => menu.current && !menu.current.contains(event.target) && (menu.current.open = false);
    addEventListener("pointerdown", close);
    return () => removeEventListener("pointerdown", close);
  }, []);
  const leave = (event) => {
    if (event.key !== "Escape") return;
    menu.current.open = false;
    menu.current.querySelector("summary").focus();
  };
  const names = [...new Set([...metricNames.value, ...columns.value])].sort(byName);
  return html`<details class="menu" ref=${menu} onKeyDown=${leave}>
    <summary class="quiet button"><${Icon} name="columns" />Columns</summary>
    <div class="sheet">
      ${names.length === 0 && html`<p class="muted">No metrics yet</p>`}
      ${names.map(
        (name) => html`<label key=${name}>
          <input type="checkbox" checked=${columns.value.includes(name)}
            onChange=${() => (view.columns.value = toggled(columns.value, name))} /><span>${name}</span>
        </label>`,
      )}
      ${view.columns.value && html`<button type="button" class="quiet" onClick=${() => (view.columns.value = null)}>Pick for me</button>`}
    </div>
  </details>`;
}

/** For the run under the cursor: one click asks whether it is meant, the next asks the run. */
function StopButton() {
  runs.revision.value;
  const sure = useSignal(null);
  const run = runs.byId.get(cursor.value);
  if (run?.status !== "running") return null;
  if (run.stop) return html`<span class="muted" title=${asked(run.stop)}>asked to stop</span>`;
  const meant = sure.value === run.id;
  const ask = () => (meant ? stopRun(run) : (sure.value = run.id));
  return html`<button type="button" class=${meant ? "danger" : "quiet"} onClick=${ask} onBlur=${() => (sure.value = null)}
    title=${`Ask ${run.name} to stop: its should_stop() is true then`}>${meant ? `Stop ${run.name}?` : "Stop"}</button>`;
}

function asked(stop) {
  return [`asked to stop by ${stop.by ?? "somebody"}, ${formatMoment(stop.time)}`, stop.reason].filter(Boolean).join(": ");
}

function TableBar() {
  const rows = listed.value.length;
  const of = total.value;
  const shown = shownIds.value.length;
  const chosen = view.chosen.value !== null;
  const all = () => (view.chosen.value = listed.peek().slice(0, MOST).map((run) => run.id));
  return html`<div class="bar">
    <h2>${rows === of ? plural(of, "run") : `${formatCount(rows)} of ${plural(of, "run")}`}</h2>
    <span class="muted">${shown} in charts${!chosen && shown ? " (newest)" : ""}</span>
    <span class="spring"></span>
    <${StopButton} />
    ${chosen && html`<button type="button" class="quiet" onClick=${() => (view.chosen.value = null)}>Newest</button>`}
    <button type="button" class="quiet" onClick=${all} title=${`Show the listed runs in the charts, ${MOST} at most`}>All</button>
    ${chosen && shown > 0 && html`<button type="button" class="quiet" onClick=${() => (view.chosen.value = [])}>None</button>`}
    <${ColumnsMenu} />
  </div>`;
}

// -- rows

function RunName({ run }) {
  const loud = (alerts.value.get(run.id) ?? []).filter((alert) => alert.level !== "info");
  return html`<span class="name" title=${[run.name, run.id, run.group, run.tags.join(" ")].filter(Boolean).join("\n")}>${run.name}</span>
    ${loud.length > 0 &&
    html`<span class="flag" title=${loud.map((alert) => alert.title).join("\n")}>
      <${Icon} name="alert" /><span>${loud.length}</span><span class="visually-hidden"> ${plural(loud.length, "alert")}</span>
    </span>`}
    ${run.lost > 0 && html`<span class="flag" title="Calls of log() that could not be written">${formatCount(run.lost)} lost</span>`}`;
}

function Row({ run, index }) {
  summaries.revision.value;
  const mark = marks.value.get(run.id);
  const of = summaries.byRun.get(run.id);
  const active = cursor.value === run.id;
  const toggle = () => toggleRun(run.id);
  return html`<div role="row" id=${`run-${run.id}`} aria-rowindex=${index + 2} aria-selected=${!!mark}
    class=${`row ${active ? "active" : ""} ${mark ? "shown" : ""}`} onClick=${() => (cursor.value = run.id)}>
    <div role="gridcell" class="cell pick">
      <input type="checkbox" tabindex="-1" checked=${!!mark} onChange=${toggle} aria-label=${`Show ${run.name} in charts`} />
      <${Mark} mark=${mark} dashes=${DASHES} />
    </div>
    <div role="gridcell" class="cell title"><${RunName} run=${run} /></div>
    <div role="gridcell" class="cell"><${State} status=${run.status} title=${run.reason ?? (run.stop ? asked(run.stop) : null)} word=${run.status === "running" && run.stop ? "stopping" : null} /></div>
    ${columns.value.map((metric) => {
      const value = of?.get(metric)?.last;
      return html`<div role="gridcell" key=${metric} class=${`cell number ${value === undefined ? "muted" : Number.isNaN(value) ? "bad" : ""}`}>
        <span class="label" aria-hidden="true">${metric}</span>${formatValue(value)}
      </div>`;
    })}
    <div role="gridcell" class="cell number age" title=${formatMoment(run.created)}>${formatAge(run.created, now.value)}</div>
  </div>`;
}

function NoRows() {
  if (!complete.value && !total.value) return html`<p class="empty muted">Reading runs…</p>`;
  if (!total.value) return html`<p class="empty muted">No runs in this project yet.</p>`;
  return html`<div class="empty">
    <p>No run matches <b>${view.query.value}</b></p>
    <button type="button" onClick=${clearQuery}>Clear the filter</button>
  </div>`;
}

function clearQuery() {
  view.query.value = "";
  document.getElementById("search").value = "";
}

/** Of `count` rows those in sight and a few more: by eights, so that most scrolling changes nothing. */
function windowOf(top, height, size, count) {
  const first = Math.max(0, Math.floor(top / size / STRIDE) * STRIDE - OVERSCAN);
  return [first, Math.min(count, first + Math.ceil(height / size) + STRIDE + 2 * OVERSCAN)];
}

export function RunsTable() {
  const scroller = useRef(null);
  const sight = useSignal({ top: 0, height: 600 });
  const rows = listed.value;
  const size = narrow.value ? ROW.cards : ROW.table;
  const [first, last] = windowOf(sight.value.top, sight.value.height, size, rows.length);
  const inSight = rows.slice(first, last);

  useLayoutEffect(() => {
    const box = scroller.current;
    const look = () => {
      const { top, height } = sight.peek();
      const stride = size * STRIDE;
      const moved = Math.floor(box.scrollTop / stride) !== Math.floor(top / stride);
      if (moved || box.clientHeight !== height) sight.value = { top: box.scrollTop, height: box.clientHeight };
    };
    const observer = new ResizeObserver(look);
    observer.observe(box);
    box.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      box.removeEventListener("scroll", look);
    };
  }, [size]);

  const ids = inSight.map((run) => run.id);
  const wanted = columns.value;
  useEffect(() => {
    const timer = setTimeout(() => wantMetrics(ids, wanted), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [ids.join(), wanted.join()]);

  useEffect(() => effect(() => showCursor(scroller.current, size)), [size]);

  const template = `${PICK}px minmax(${NAME}px, 1fr) ${STATE}px ${`${METRIC}px `.repeat(wanted.length)}${AGE}px`;
  const least = `${PICK + NAME + STATE + METRIC * wanted.length + AGE + 12}px`;
  return html`<section class="runs" aria-label="Runs">
    <${TableBar} />
    <div class="grid" role="grid" aria-label="Runs" aria-rowcount=${rows.length + 1} aria-multiselectable="true" tabindex="0"
      aria-activedescendant=${ids.includes(cursor.value) ? `run-${cursor.value}` : null} ref=${scroller} onKeyDown=${walk}
      style=${{ "--columns": template, "--least": least }}>
      <div role="row" aria-rowindex="1" class="row head">
        <div role="columnheader" class="cell pick"><span class="visually-hidden">In charts</span></div>
        <${HeadCell} name="name" label="Run" />
        <${HeadCell} name="status" label="State" />
        ${wanted.map((metric) => html`<${HeadCell} key=${metric} name=${metric} label=${metric} align="number" />`)}
        <${HeadCell} name="created" label="Age" align="number" />
      </div>
      <div role="presentation" class="all" style=${{ height: `${rows.length * size}px` }}>
        <div role="presentation" class="sight" style=${{ transform: `translateY(${first * size}px)` }}>
          ${inSight.map((run, i) => html`<${Row} key=${run.id} run=${run} index=${first + i} />`)}
        </div>
      </div>
      ${rows.length === 0 && html`<div role="row"><div role="gridcell"><${NoRows} /></div></div>`}
    </div>
  </section>`;
}

/** Scroll the cursor's row into sight. */
function showCursor(box, size) {
  const at = listed.peek().findIndex((run) => run.id === cursor.value);
  if (at < 0 || !box) return;
  const head = size === ROW.table ? ROW.table : 0;
  const top = at * size;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + size > box.scrollTop + box.clientHeight - head) box.scrollTop = top + size - box.clientHeight + head;
}

const WAYS = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -Infinity, End: Infinity };

/** Arrows and space within the table work even where single-letter keys are off. */
function walk(event) {
  if (event.target !== event.currentTarget) return;
  if (event.key in WAYS) moveCursor(WAYS[event.key]);
  else if ((event.key === " " || event.key === "Enter") && cursor.peek()) toggleRun(cursor.peek());
  else return;
  event.preventDefault();
}
