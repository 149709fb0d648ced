/**
 * The data of the charts: one metric's lanes on one grid each.
 *
 * What is in view is fetched, once; live points extend it. Only a new zoom, a run that was not there, or a burst whose points
 * the stream did not carry is asked for again, the last at most once a second.
 */
import { getSeries } from "./api.js";
import { parseNumber } from "./format.js";
import { Grid } from "./grid.js";
import { effect, untracked } from "./html.js";
import { live, refreshSummaries, summaries } from "./project.js";
import { shownIds } from "./selection.js";
import { view } from "./view.js";

const BURST_MS = 1000;
const COLUMNS_MAX = 2000;

const byMetric = new Map();
const burst = new Map(); // run: the metrics of which more came than the stream carries
let burstTimer = 0;
let burstAfter = 0;

class ChartData {
  constructor(metric) {
    this.metric = metric;
    this.grid = null;
    this.key = ""; // what the grid was made for: project and zoom
    this.columns = 640;
    this.visible = false;
    this.asking = false;
    this.failed = null;
    this.again = 0;
    this.stale = new Set(); // runs whose lane must be fetched again
    this.early = []; // live points that came while an answer was on its way
    this.redraw = () => {};
  }

  /** The runs of the charts that have this metric. */
  get runs() {
    return shownIds.peek().filter((id) => summaries.byRun.get(id)?.has(this.metric));
  }

  /** Where the points lie, by the summaries. */
  get range() {
    let from = Infinity;
    let to = -Infinity;
    for (const id of this.runs) {
      const summary = summaries.byRun.get(id).get(this.metric);
      from = Math.min(from, summary.first_step);
      to = Math.max(to, summary.last_step);
    }
    return from <= to ? [from, to] : null;
  }

  /** Fetch what is in view and not here. */
  sync() {
    if (!this.visible || this.asking || !this.runs.length) return;
    const zoom = view.zoom.peek();
    const range = zoom ?? this.range;
    const key = `${view.project.peek()}\n${zoom ?? ""}`;
    const grid = this.grid;
    const fits = grid && this.key === key && (zoom || range[0] >= grid.from) && this.isFine(range);
    const wanted = fits ? this.runs.filter((id) => !grid.lanes.has(id) || this.stale.has(id)) : this.runs;
    if (wanted.length) this.ask(wanted, zoom, range, key, fits);
  }

  /** Whether the grid has enough columns over this range for the chart as wide as it is now. */
  isFine([from, to]) {
    const { width } = this.grid;
    return width === 1 || ((to - from + 1) / width) * 2 >= Math.min(COLUMNS_MAX, this.columns);
  }

  async ask(wanted, zoom, range, key, fits) {
    const project = view.project.peek();
    const columns = Math.min(COLUMNS_MAX, this.columns);
    this.asking = true;
    this.early = [];
    wanted.forEach((id) => this.stale.delete(id));
    try {
      const frame = await getSeries({ project, metric: this.metric, runs: wanted, columns, zoom });
      const now = view.zoom.peek();
      if (project === view.project.peek() && key === `${project}\n${now ?? ""}`) {
        if (!fits) [this.grid, this.key] = [new Grid(range[0], range[1], columns, zoom !== null), key];
        for (const lane of frame?.runs ?? []) {
          this.grid.replace(lane.run, frame.x, lane, summaries.byRun.get(lane.run)?.get(this.metric)?.last_step ?? Infinity);
        }
        wanted.forEach((id) => this.grid.lane(id)); // asked and empty is not to be asked again
        this.early.forEach(([run, points]) => this.put(run, points));
      }
      this.failed = null;
    } catch (error) {
      this.failed = error.message;
      clearTimeout(this.again);
      this.again = setTimeout(() => this.sync(), 3000);
    }
    this.asking = false;
    this.early = [];
    this.redraw();
    if (!this.failed) this.sync();
  }

  /** Take live points in. */
  add(run, points) {
    if (this.asking) this.early.push([run, points]);
    if (this.grid?.lanes.has(run)) this.put(run, points);
    else if (shownIds.peek().includes(run)) this.sync();
  }

  put(run, points) {
    for (const [step, , value] of points) {
      if (!this.grid.add(run, step, parseNumber(value))) this.key = ""; // left of the grid: made anew at the next look
    }
    if (!this.key) this.sync();
    if (shownIds.peek().includes(run)) wantRedraw(this);
  }
}

/** The data of a metric's chart: one for as long as the page lives. */
export function dataOf(metric) {
  if (!byMetric.has(metric)) byMetric.set(metric, new ChartData(metric));
  return byMetric.get(metric);
}

// -- drawing: what has changed, once, and not before the last drawing has been paid for

const changed = new Set();
let drawAfter = 0;
let drawTimer = 0;

function wantRedraw(data) {
  changed.add(data);
  drawTimer ||= setTimeout(() => requestAnimationFrame(drawChanged), Math.max(0, drawAfter - performance.now()));
}

function drawChanged() {
  const started = performance.now();
  const due = [...changed];
  changed.clear();
  drawTimer = 0;
  for (const data of due) if (data.visible) data.redraw();
  // The browser paints behind this frame: what that took is known in the next one.
  drawAfter = started + 1000;
  requestAnimationFrame(() => {
    const now = performance.now();
    drawAfter = now + Math.min(1000, 2 * (now - started));
  });
}

// -- following the view and the stream

live.points = (run, metric, points) => byMetric.get(metric)?.add(run, points);

live.stale = (run, metrics) => {
  if (!burst.has(run)) burst.set(run, new Set());
  for (const metric of metrics) burst.get(run).add(metric);
  burstTimer ||= setTimeout(takeBurst, Math.max(0, burstAfter - performance.now()));
};

async function takeBurst() {
  burstAfter = performance.now() + BURST_MS;
  const due = [...burst];
  burst.clear();
  await refreshSummaries(due.map(([run]) => run));
  for (const [run, metrics] of due) for (const metric of metrics) byMetric.get(metric)?.stale.add(run);
  byMetric.forEach((data) => data.sync());
  burstTimer = 0;
  if (burst.size) live.stale([...burst.keys()][0], []);
}

live.reset = () => {
  burst.clear();
  for (const data of byMetric.values()) {
    data.key = "";
    data.stale.clear();
  }
};

/** Ask again whenever another zoom or other runs are wanted; draw again what can be drawn with what is here. */
export function followCharts() {
  effect(() => {
    shownIds.value;
    view.zoom.value;
    summaries.revision.value;
    untracked(() => byMetric.forEach((data) => data.sync()));
  });
  effect(() => {
    shownIds.value;
    view.zoom.value;
    view.log.value;
    byMetric.forEach(wantRedraw);
  });
}
