/** All charts, by the part of the metric's name before its slash. */
import { Chart } from "./chart.js";
import { formatStep } from "./format.js";
import { html, useEffect, useRef } from "./html.js";
import { Icon, Mark } from "./icons.js";
import { DASHES } from "./palette.js";
import { complete, projects, summaries, total } from "./project.js";
import { labels, marks, metricNames, shown, shownIds, toggleRun } from "./selection.js";
import { toggled, view } from "./view.js";

const LEGEND = 12;
const LAST_GROUP = "system";

/** `[group, [metric, …]]`: what has no slash first, the machine's own metrics last. */
function grouped(names) {
  const groups = new Map();
  for (const name of names) {
    const slash = name.indexOf("/");
    const group = slash > 0 ? name.slice(0, slash) : "";
    groups.set(group, [...(groups.get(group) ?? []), name]);
  }
  const rank = (group) => (group === "" ? 0 : group === LAST_GROUP ? 2 : 1);
  return [...groups].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function Legend() {
  const runs = shown.value;
  return html`<ul class="legend" aria-label="Runs in the charts">
    ${runs.slice(-LEGEND).map(({ id }) => {
      const label = labels.value.get(id);
      return html`<li key=${id}>
        <${Mark} mark=${marks.value.get(id)} dashes=${DASHES} /><span class="name" title=${label}>${label}</span>
        <button type="button" class="quiet drop" onClick=${() => toggleRun(id)} aria-label=${`Take ${label} out of the charts`}><${Icon} name="close" /></button>
      </li>`;
    })}
    ${runs.length > LEGEND && html`<li class="muted">and ${runs.length - LEGEND} more</li>`}
  </ul>`;
}

/** The steps of all runs in the charts. */
function stepsOf(ids) {
  let [from, to] = [Infinity, -Infinity];
  for (const id of ids) {
    for (const summary of summaries.byRun.get(id)?.values() ?? []) {
      from = Math.min(from, summary.first_step);
      to = Math.max(to, summary.last_step);
    }
  }
  return from <= to ? [from, to] : [0, 0];
}

function Steps() {
  const from = useRef(null);
  const to = useRef(null);
  const zoom = view.zoom.value;
  useEffect(() => {
    [from.current.value, to.current.value] = zoom ?? ["", ""];
  }, [zoom]);
  const apply = () => {
    const [first, last] = stepsOf(shownIds.peek());
    const typed = [from, to].map((box) => (box.current.value === "" ? null : Number(box.current.value)));
    const range = [typed[0] ?? first, typed[1] ?? last];
    view.zoom.value = typed.every((value) => value === null) || !(range[0] < range[1]) ? null : range;
  };
  summaries.revision.value;
  const [first, last] = stepsOf(shownIds.value);
  return html`<div class="steps" role="group" aria-label="Steps shown">
    <span class="muted">steps</span>
    <input ref=${from} type="number" step="1" aria-label="From step" placeholder=${formatStep(first)} onChange=${apply} />
    <span class="muted">–</span>
    <input ref=${to} type="number" step="1" aria-label="To step" placeholder=${formatStep(last)} onChange=${apply} />
    ${zoom && html`<button type="button" class="quiet" id="reset-zoom" onClick=${() => (view.zoom.value = null)}>Reset zoom</button>`}
  </div>`;
}

/** Logarithmic axes for all charts, or for none. */
export function toggleLog() {
  view.log.value = view.log.peek().includes("*") ? [] : ["*"];
}

function ChartsBar() {
  const log = view.log.value.includes("*");
  return html`<div class="bar">
    <${Legend} />
    <div class="tools">
      <${Steps} />
      <button type="button" class="quiet" aria-pressed=${log} onClick=${toggleLog} title="Logarithmic axes (l)"><${Icon} name="log" />Log y</button>
    </div>
  </div>`;
}

function Group({ group, names }) {
  const open = !view.folded.value.includes(group);
  const fold = () => (view.folded.value = toggled(view.folded.value, group));
  return html`<section class="group">
    <h3><button type="button" class="fold" aria-expanded=${open} onClick=${fold}>
      <span class="chevron" aria-hidden="true"><${Icon} name="down" /></span>${group || "metrics"}<span class="muted">${names.length}</span>
    </button></h3>
    ${open && html`<div class="charts">${names.map((metric) => html`<${Chart} key=${metric} metric=${metric} name=${group ? metric.slice(group.length + 1) : metric} />`)}</div>`}
  </section>`;
}

function NoCharts() {
  if (projects.value === null || (!complete.value && !total.value)) return html`<p class="empty muted">Reading…</p>`;
  if (!total.value) return html`<p class="empty muted">No runs in this project yet.</p>`;
  if (!shown.value.length) return html`<p class="empty muted">No run is in the charts. Tick some in the list of runs.</p>`;
  const known = shownIds.value.some((id) => summaries.byRun.has(id));
  return html`<p class="empty muted">${known || complete.value ? "These runs have logged no metrics yet." : "Reading…"}</p>`;
}

export function ChartGrid() {
  const groups = grouped(metricNames.value);
  return html`<section class="board" aria-label="Charts">
    <h2 class="visually-hidden">Charts</h2>
    <${ChartsBar} />
    <div class="scroll" tabindex="-1">
      ${groups.length === 0 && html`<${NoCharts} />`}
      ${groups.map(([group, names]) => html`<${Group} key=${group} group=${group} names=${names} />`)}
    </div>
  </section>`;
}
