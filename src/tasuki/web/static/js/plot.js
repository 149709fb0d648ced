/** One chart on its canvas: uPlot draws axes and crosshair, and lines, bands and flags from a grid by the paths given here. */
import { formatStep, formatValue } from "./format.js";
import uPlot from "../vendor/uplot.js";
import { colours, DASHES } from "./palette.js";

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const BAND = 0.24;
const CROSSHAIR = uPlot.sync("step");
const STEPS = [1, 2, 5, ...Array.from({ length: 15 }, (_, power) => [10, 20, 25, 50].map((digits) => digits * 10 ** power)).flat()];

/** rgb(…) with an opacity. */
function faded(colour, opacity) {
  return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`);
}

export class Plot {
  /** `data` is a ChartData; `chosen()` tells runs with their marks and names; `zoom(from, to)` is called on a drag. */
  constructor(root, { data, chosen, zoom, drawn, hover }) {
    this.root = root;
    this.data = data;
    this.chosen = chosen;
    this.zoom = zoom;
    this.drawn = drawn;
    this.hover = hover;
    this.log = false;
    this.ids = [];
    this.u = null;
  }

  /** Draw what the grid has now. */
  draw({ width, height, log, range }) {
    const { grid } = this.data;
    const lines = this.chosen().filter(({ id }) => grid.lanes.has(id));
    const ids = lines.map(({ id, mark }) => `${id}:${mark.colour}:${mark.dash}`);
    this.range = range;
    if (!this.u || log !== this.log || ids.join() !== this.ids.join()) {
      this.close();
      [this.log, this.ids, this.lines] = [log, ids, lines];
      this.u = new uPlot(this.options(width, height), this.columns(grid), this.root);
      return;
    }
    this.lines = lines;
    if (this.u.width !== width || this.u.height !== height) this.u.setSize({ width, height });
    this.u.setData(this.columns(grid), true);
  }

  /** The colours have changed. */
  repaint() {
    this.u?.redraw(false, true);
  }

  close() {
    this.u?.destroy();
    this.u = null;
    this.ids = [];
  }

  columns(grid) {
    const xs = grid.xs();
    return [xs, ...this.lines.map(({ id }) => grid.lanes.get(id).last.subarray(0, xs.length))];
  }

  options(width, height) {
    const axis = {
      stroke: () => colours.peek().muted,
      grid: { stroke: () => colours.peek().line, width: 1 },
      ticks: { show: false },
      border: { show: false },
      font: FONT,
    };
    return {
      width,
      height,
      padding: [8, 22, 0, 0],
      legend: { show: false },
      focus: { alpha: 1 },
      cursor: {
        points: { show: false },
        y: false,
        // A drag is this chart's own: the others follow the zoom.
        sync: { key: CROSSHAIR.key, scales: ["x", null], filters: { pub: (type) => /^mouse(move|leave)$/.test(type), sub: () => true } },
        drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => this.zoom(null) },
      },
      scales: {
        x: { time: false, range: () => this.range },
        y: { distr: this.log ? 3 : 1, range: () => this.extent() },
      },
      axes: [
        { ...axis, size: 24, gap: 4, space: 60, incrs: STEPS, values: (_, splits) => splits.map(formatStep) },
        { ...axis, gap: 4, space: 28, size: axisWidth, grid: { ...axis.grid, filter: (_, splits) => (this.log ? splits.map(decade) : splits) }, values: (_, splits) => splits.map(axisValue) },
      ],
      series: [{}, ...this.lines.map((line, i) => this.series(line, i))],
      hooks: {
        drawAxes: [(u) => this.drawBands(u)],
        draw: [(u) => this.drawFlags(u), () => this.drawn()],
        setSelect: [(u) => this.select(u)],
        setCursor: [(u) => this.hover(u)],
      },
    };
  }

  series({ mark }) {
    const colour = () => colours.peek()[`s${mark.colour}`];
    return {
      width: 1,
      auto: false,
      dash: DASHES[mark.dash].map((length) => length * devicePixelRatio),
      stroke: colour,
      points: { show: false },
      paths: (u, index) => this.paths(u, this.data.grid.lanes.get(this.lines[index - 1].id)),
    };
  }

  /** The line through each bucket's last value. */
  paths(u, lane) {
    const toX = this.toX(u);
    return { stroke: linePath(lane, this.data.grid.size, toX, this.toY(u)), fill: null, clip: null, band: null, gaps: null, flags: 0 };
  }

  /** Under the lines: from min to max of each bucket where they differ. Upright strokes: a filled shape takes four times as long. */
  drawBands(u) {
    const { ctx, bbox } = u;
    const { grid } = this.data;
    const [toX, toY] = [this.toX(u), this.toY(u)];
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.lineWidth = Math.max(1, Math.round((grid.width * bbox.width) / (u.scales.x.max - u.scales.x.min || 1)));
    const offset = (ctx.lineWidth % 2) / 2;
    for (const { id, mark } of this.lines) {
      const lane = grid.lanes.get(id);
      ctx.beginPath();
      ctx.strokeStyle = faded(colours.peek()[`s${mark.colour}`], BAND);
      for (let i = 0; i < grid.size; i++) {
        if (!(lane.max[i] > lane.min[i])) continue;
        const low = toY(lane.min[i]);
        const x = Math.round(toX(lane.x[i])) + offset;
        ctx.moveTo(x, Math.round(toY(lane.max[i])));
        ctx.lineTo(x, Math.round(Number.isNaN(low) ? bbox.top + bbox.height : low));
      }
      ctx.stroke();
    }
    ctx.restore();
  }

  /** A step's place on the canvas. */
  toX(u) {
    const { left, width } = u.bbox;
    const { min, max } = u.scales.x;
    const perStep = width / (max - min || 1);
    return (x) => left + (x - min) * perStep;
  }

  /** A value's place on the canvas; NaN for what the axis cannot show. */
  toY(u) {
    const { top, height } = u.bbox;
    const { min, max } = u.scales.y;
    if (!this.log) return (value) => top + height * (1 - (value - min) / (max - min || 1));
    const [low, high] = [Math.log10(min), Math.log10(max)];
    return (value) => (value > 0 ? top + height * (1 - (Math.log10(value) - low) / (high - low || 1)) : NaN);
  }

  extent() {
    const [from, to] = this.range;
    const found = this.data.grid.extent(this.lines.map(({ id }) => id), from, to, this.log);
    if (!found) return this.log ? [1, 10] : [0, 1];
    const [low, high] = found;
    if (this.log) return low < high ? [low / 1.1, high * 1.1] : [low / 2, high * 2];
    const margin = (high - low || Math.abs(high) || 1) * 0.06;
    return [low - margin, high + margin];
  }

  /** A flag at the foot of the chart where a run of NaN begins. */
  drawFlags(u) {
    const { ctx, bbox } = u;
    const grid = this.data.grid;
    const unit = devicePixelRatio;
    const toX = this.toX(u);
    const foot = bbox.top + bbox.height;
    ctx.save();
    this.lines.forEach(({ id, mark }) => {
      const lane = grid.lanes.get(id);
      let inside = false;
      ctx.fillStyle = ctx.strokeStyle = colours.peek()[`s${mark.colour}`];
      ctx.lineWidth = unit;
      for (let i = 0; i < grid.size; i++) {
        if (Number.isNaN(lane.x[i])) continue;
        if (lane.nan[i] && !inside) {
          const x = Math.min(bbox.left + bbox.width - unit, Math.max(bbox.left, toX(lane.x[i])));
          drawFlag(ctx, x, foot, unit, x > bbox.left + bbox.width - 12 * unit ? -1 : 1);
        }
        inside = lane.nan[i] === 1;
      }
    });
    ctx.restore();
  }

  select(u) {
    const { left, width } = u.select;
    if (width < 4) return;
    const from = Math.floor(u.posToVal(left, "x"));
    const to = Math.ceil(u.posToVal(left + width, "x"));
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (to - from >= 1) this.zoom([from, to]);
  }
}

/** A line that goes on where nothing was logged, and breaks at what the axis cannot show; a dot where there is no line to see. */
function linePath(lane, size, toX, toY) {
  const path = new Path2D();
  let [lastX, lastY, alone] = [0, NaN, false];
  const dot = () => alone && path.rect(lastX - 1.5, lastY - 1.5, 3, 3);
  for (let i = 0; i < size; i++) {
    if (Number.isNaN(lane.x[i])) continue;
    const [x, y] = [toX(lane.x[i]), toY(lane.last[i])];
    if (Number.isNaN(y)) {
      dot();
      alone = false;
    } else if (Number.isNaN(lastY)) {
      path.moveTo(x, y);
      alone = true;
    } else {
      path.lineTo(x, y);
      alone = false;
    }
    [lastX, lastY] = [x, y];
  }
  dot();
  return path;
}

/** A pole, and a pennant on it that points into the chart. */
function drawFlag(ctx, x, foot, unit, way) {
  ctx.beginPath();
  ctx.moveTo(x, foot);
  ctx.lineTo(x, foot - 15 * unit);
  ctx.stroke();
  ctx.beginPath();
  ctx.moveTo(x, foot - 15 * unit);
  ctx.lineTo(x + way * 9 * unit, foot - 11.5 * unit);
  ctx.lineTo(x, foot - 8 * unit);
  ctx.fill();
}

function axisValue(value) {
  if (value === null) return ""; // uPlot leaves out some of a logarithmic axis
  const short = Number(value.toPrecision(6));
  const size = Math.abs(short);
  const text = size !== 0 && (size >= 1e5 || size < 1e-4) ? short.toExponential().replace("e+", "e") : String(short);
  return text.replaceAll("-", "−");
}

/** Of a logarithmic axis only the powers of ten have a line. */
function decade(value) {
  return Number.isInteger(Number(Math.log10(value).toFixed(6))) ? value : null;
}

function axisWidth(u, values) {
  if (!values?.length) return 40;
  u.ctx.save();
  u.ctx.font = FONT;
  const widest = Math.max(...values.map((text) => u.ctx.measureText(text ?? "").width));
  u.ctx.restore();
  return Math.max(36, Math.ceil(widest) + 12);
}

/** What lies under the crosshair: the step, and each run's value there. */
export function valuesAt(plot, u) {
  const grid = plot.data.grid;
  const { idx, left } = u.cursor;
  if (idx === null || idx === undefined || left < 0 || !grid) return null;
  const reach = Math.max(2, Math.round(grid.size / 50));
  const rows = [];
  for (const line of plot.lines) {
    const i = grid.nearest(line.id, Math.min(idx, grid.size - 1), reach);
    if (i < 0) continue;
    const lane = grid.lanes.get(line.id);
    rows.push({ ...line, step: lane.x[i], last: lane.last[i], min: lane.min[i], max: lane.max[i], nan: lane.nan[i] === 1 });
  }
  return { step: u.data[0][idx], left, rows };
}
