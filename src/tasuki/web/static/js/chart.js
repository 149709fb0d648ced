/** One metric's chart: the plot, what it says in words, and the same as a table. */
import { dataOf } from "./chart_data.js";
import { formatCount, formatStep, formatValue, plural } from "./format.js";
import { effect, html, useEffect, useLayoutEffect, useRef, useSignal } from "./html.js";
import { Icon, Mark } from "./icons.js";
import { colours, DASHES } from "./palette.js";
import { Plot, valuesAt } from "./plot.js";
import { summaries } from "./project.js";
import { labels, marks, shown } from "./selection.js";
import { toggled, view } from "./view.js";

const HEIGHT = 196;
const IN_WORDS = 8;
const IN_TIP = 10;
const TIP_WIDTH = 220;

/** The runs of the charts that have this metric: id, name, mark and summary. */
function linesOf(metric) {
  return shown
    .peek()
    .map((run) => ({ id: run.id, name: labels.peek().get(run.id), mark: marks.peek().get(run.id), summary: summaries.byRun.get(run.id)?.get(metric) }))
    .filter((line) => line.summary);
}

/** The chart in words: what a screen reader says of it. */
function inWords(metric, lines) {
  const said = lines.slice(0, IN_WORDS).map(({ name, summary }) => {
    const { last, last_step: lastStep, min, min_step: minStep, max, max_step: maxStep } = summary;
    const extremes = minStep === null ? "" : `, min ${formatValue(min)} at ${formatStep(minStep)}, max ${formatValue(max)} at ${formatStep(maxStep)}`;
    return `${name}: last ${formatValue(last)} at step ${formatStep(lastStep)}${extremes}`;
  });
  const more = lines.length > IN_WORDS ? `; and ${plural(lines.length - IN_WORDS, "run")} more` : "";
  return `Line chart of ${metric} by step, ${plural(lines.length, "run")}. ${said.join("; ")}${more}.`;
}

function caption(data, lines) {
  const { grid } = data;
  if (!grid) return "";
  const zoomed = view.zoom.peek() !== null;
  const count = lines.reduce((sum, { id, summary }) => sum + (zoomed ? (grid.lanes.get(id)?.n ?? 0) : summary.n), 0);
  return grid.width > 1 ? `${plural(count, "point")} → ${grid.columns} px, min/max` : plural(count, "point");
}

/** The runs that logged NaN, and where it began. */
function nans(data, lines) {
  const found = [];
  for (const { id, name } of lines) {
    const lane = data.grid?.lanes.get(id);
    const at = lane ? lane.nan.indexOf(1) : -1;
    if (at >= 0) found.push(`${name}: NaN at step ${formatStep(lane.x[at])}`);
  }
  return found;
}

function SummaryTable({ metric, lines }) {
  const at = (value, step) => html`${formatValue(value)}<div class="muted">at ${formatStep(step)}</div>`;
  return html`<div class="values" tabindex="0" role="region" aria-label=${`${metric} as a table`}>
    <table>
      <thead><tr>
        <th scope="col">Run</th>${["Points", "Last", "Min", "Max"].map((name) => html`<th key=${name} scope="col" class="number">${name}</th>`)}
      </tr></thead>
      <tbody>
        ${lines.map(
          ({ id, name, mark, summary }) => html`<tr key=${id}>
            <th scope="row"><${Mark} mark=${mark} dashes=${DASHES} /> ${name}</th>
            <td class="number">${formatCount(summary.n)}</td>
            <td class="number">${at(summary.last, summary.last_step)}</td>
            <td class="number">${summary.min_step === null ? "–" : at(summary.min, summary.min_step)}</td>
            <td class="number">${summary.max_step === null ? "–" : at(summary.max, summary.max_step)}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function Tip({ tip, wide }) {
  const { step, left, rows } = tip;
  const ordered = [...rows].sort((a, b) => (b.last > a.last ? 1 : b.last < a.last ? -1 : 0));
  const place = left > wide - TIP_WIDTH - 24 && left > wide / 2 ? { right: `${wide - left + 12}px` } : { left: `${left + 12}px` };
  return html`<div class="tip" aria-hidden="true" style=${place}>
    <div class="muted">step ${formatStep(Math.round(step))}</div>
    ${ordered.slice(0, IN_TIP).map(
      ({ id, name, mark, last, nan }) => html`<div key=${id} class="line">
        <${Mark} mark=${mark} dashes=${DASHES} /><span class="name">${name}</span>
        <b>${nan && Number.isNaN(last) ? "NaN" : formatValue(last)}</b>
      </div>`,
    )}
    ${ordered.length > IN_TIP && html`<div class="muted">and ${ordered.length - IN_TIP} more</div>`}
  </div>`;
}

/** Keep a plot in `host` as the data, the size and the colours change; `drawn` is told of each drawing. */
function usePlot(metric, host, card, { tip, version, asTable }) {
  useLayoutEffect(() => {
    const data = dataOf(metric);
    const plot = new Plot(host.current, {
      data,
      chosen: () => linesOf(metric),
      zoom: (range) => (view.zoom.value = range),
      drawn: () => (host.current.dataset.drawn = data.range?.[1] ?? ""),
      hover: (u) => {
        const found = u.cursor.event ? valuesAt(plot, u) : null;
        tip.value = found && { ...found, left: found.left + u.bbox.left / devicePixelRatio, wide: u.width };
      },
    });
    const draw = () => {
      version.value++;
      const { clientWidth: width } = host.current;
      const range = view.zoom.peek() ?? data.range;
      if (!data.grid || !range || !width || asTable.peek()) return;
      const log = isLog(metric);
      plot.draw({ width, height: HEIGHT, log, range: range[1] > range[0] ? range : [range[0] - 1, range[0] + 1] });
    };
    const measure = () => {
      data.columns = Math.max(64, Math.round((host.current.clientWidth - 50) / 16) * 16);
      data.sync();
      draw();
    };
    const sized = new ResizeObserver(measure);
    const seen = new IntersectionObserver(
      ([entry]) => {
        data.visible = entry.isIntersecting;
        if (data.visible) measure();
        else plot.close();
      },
      { root: card.current.closest(".scroll"), rootMargin: "160px" },
    );
    data.redraw = draw;
    sized.observe(host.current);
    seen.observe(card.current);
    const stop = effect(() => {
      colours.value;
      plot.repaint();
    });
    return () => {
      stop();
      sized.disconnect();
      seen.disconnect();
      data.redraw = () => {};
      data.visible = false;
      plot.close();
    };
  }, [metric]);
}

const isLog = (metric) => view.log.peek().includes("*") || view.log.peek().includes(metric);

export function Chart({ metric, name }) {
  const card = useRef(null);
  const host = useRef(null);
  const tip = useSignal(null);
  const version = useSignal(0);
  const asTable = useSignal(false);
  usePlot(metric, host, card, { tip, version, asTable });
  useEffect(() => dataOf(metric).redraw(), [asTable.value]);
  version.value;
  const data = dataOf(metric);
  const lines = linesOf(metric);
  const bad = nans(data, lines);
  const log = view.log.value.includes("*") || view.log.value.includes(metric);
  const empty = log && data.grid && !data.grid.extent(lines.map(({ id }) => id), data.grid.from, data.grid.to, true);
  return html`<section class="chart" ref=${card} data-metric=${metric} aria-label=${metric} aria-busy=${data.asking}>
    <header>
      <h4 title=${metric}>${name}</h4>
      ${bad.length > 0 && html`<span class="nan" title=${bad.join("\n")}><span aria-hidden="true">⚑</span> NaN<span class="visually-hidden">: ${bad.join("; ")}</span></span>`}
      <span class="spring"></span>
      <button type="button" class="quiet tiny" aria-pressed=${log} onClick=${() => (view.log.value = toggled(view.log.value.filter((item) => item !== "*"), metric))}
        disabled=${view.log.value.includes("*")} title="Logarithmic axis">log<span class="visually-hidden"> axis for ${metric}</span></button>
      <button type="button" class="quiet tiny" aria-pressed=${asTable.value} onClick=${() => (asTable.value = !asTable.value)}
        title="Show as a table">table<span class="visually-hidden"> of ${metric}</span></button>
    </header>
    <div class="plot" hidden=${asTable.value} role="img" aria-label=${inWords(metric, lines)} onMouseLeave=${() => (tip.value = null)}>
      <div class="canvas" ref=${host}></div>
      ${!data.grid && html`<p class="over muted">${data.failed ? "" : "Reading…"}</p>`}
      ${empty && html`<p class="over muted">No value above zero for a logarithmic axis</p>`}
      ${tip.value && tip.value.rows.length > 0 && html`<${Tip} tip=${tip.value} wide=${tip.value.wide} />`}
    </div>
    ${asTable.value && html`<${SummaryTable} metric=${metric} lines=${lines} />`}
    <footer class="muted">${data.failed ? html`<span class="bad">${data.failed}</span>` : caption(data, lines)}</footer>
  </section>`;
}
