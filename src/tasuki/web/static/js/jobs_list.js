/** The page of jobs: how many there are in which state, what they cost, and a row for each. */
import { formatAge, formatCost, formatCount, formatMoment, plural } from "./format.js";
import { html, useEffect, useRef, useSignal } from "./html.js";
import { Icon, State } from "./icons.js";
import { Actions, costOf, Doing, Doubt, Output, timeOf, Trouble } from "./job_parts.js";
import { JobSheet } from "./job_sheet.js";
import { ACTIVE, activeJobs, FINAL, finalJobs, inView, loaded, metrics, moreJobs, nameOf, placeOf, providers, syncing, syncJobs, totalFinal } from "./jobs.js";
import { narrow, now } from "./runs_table.js";
import { view } from "./view.js";

const ROWS = 100; // of the active ones, until the reader asks for more

function SyncButton() {
  const busy = syncing.value;
  return html`<button type="button" id="sync-jobs" aria-busy=${busy} onClick=${() => busy || syncJobs()} title="Look for jobs at all providers">
    <${Icon} name="sync" /><span>${busy ? "Syncing…" : "Sync"}</span>
  </button>`;
}

function Providers() {
  const names = providers.value.map((provider) => provider.name);
  const chosen = view.provider.value;
  if (chosen && !names.includes(chosen)) names.push(chosen);
  return html`<label class="choice">
    <span class="visually-hidden">Provider</span>
    <select value=${chosen} onChange=${(event) => (view.provider.value = event.target.value)}>
      <option value="" selected=${!chosen}>All providers</option>
      ${names.map((name) => html`<option key=${name} value=${name} selected=${name === chosen}>${name}</option>`)}
    </select>
    <${Icon} name="down" />
  </label>`;
}

function Cost() {
  const { cost_usd: cost, cost_by_provider: parts } = metrics.value;
  const title = Object.entries(parts).map(([name, dollars]) => `${name}: ${formatCost(dollars)}`).join("\n");
  return html`<span class="spent" title=${title}><span class="muted">Cost</span> <b>${formatCost(cost)}</b></span>`;
}

/** Counts by status; each is a filter. */
function States() {
  const { total, by_status: counts } = metrics.value;
  const chosen = view.state.value;
  const chip = (status, label, count) => html`<button key=${status} type="button" class=${`chip state ${status}`} aria-pressed=${chosen === status}
    onClick=${() => (view.state.value = status)}>
    ${status && html`<${Icon} name=${status} />`}<span>${label}</span><b>${formatCount(count)}</b>
  </button>`;
  const shown = [...ACTIVE, ...FINAL].filter((status) => counts[status] || status === chosen);
  return html`<div class="chips" role="group" aria-label="States">
    ${chip("", "All", total)}${shown.map((status) => chip(status, status, counts[status] ?? 0))}
  </div>`;
}

function Degraded() {
  const broken = providers.value.filter((provider) => provider.degraded);
  return broken.map(({ name, detail }) => html`<p key=${name} class="degraded" role="status"><${Icon} name="alert" />
    <span><b>${name}</b> does not answer${detail ? `: ${detail}` : ""}. Its jobs are shown as they were seen last.</span></p>`);
}

function Facts({ job }) {
  const { hardware_type: hardware, attempt, job_id: id } = job;
  return html`<div class="facts muted">
    <span>${placeOf(job)}</span>
    ${hardware && html`<span>${hardware}</span>`}
    ${attempt > 1 && html`<span>attempt ${attempt}</span>`}
    <code>${id}</code>
    <time datetime=${job.created_at} title=${formatMoment(job.created * 1000)}>${ageOf(job)}</time>
  </div>`;
}

function ageOf(job) {
  const age = formatAge(job.created * 1000, now.value);
  return age === "now" ? age : `${age} ago`;
}

/** What a job that does not run has to say. */
function Outcome({ job }) {
  if (job.status === "running") return null;
  if (job.error_message) return html`<${Trouble} job=${job} />`;
  if (job.output_url) return html`<div class="outcome"><${Output} url=${job.output_url} /></div>`;
  if (job.is_active && job.raw_status) return html`<div class="outcome muted">${job.raw_status}</div>`;
  return null;
}

function Row({ job }) {
  const row = useRef(null);
  const id = job.job_id;
  const isRunning = job.status === "running";
  useEffect(() => {
    if (!isRunning) return undefined;
    const observer = new IntersectionObserver(([{ isIntersecting }]) => inView(id, isIntersecting));
    observer.observe(row.current);
    return () => {
      observer.disconnect();
      inView(id, false);
    };
  }, [id, isRunning]);
  const open = () => (view.job.value = id);
  const chosen = view.job.value === id;
  return html`<li class=${`job ${job.status} ${chosen ? "chosen" : ""}`} ref=${row} id=${`job-${id}`}>
    <div class="status"><${State} status=${job.status} title=${job.raw_status} /><${Doubt} job=${job} /></div>
    <div class="what">
      <button type="button" class="name" onClick=${open} aria-current=${chosen ? "true" : null} title=${nameOf(job)}>${nameOf(job)}</button>
      <${Facts} job=${job} />
    </div>
    <${Doing} job=${job} /><${Outcome} job=${job} />
    <div class="time">${timeOf(job)}</div>
    <div class="cost">${costOf(job)}</div>
    <div class="acts">
      <button type="button" onClick=${open} aria-label=${`Logs of ${nameOf(job)}`}><${Icon} name="lines" /><span>Logs</span></button>
      <${Actions} job=${job} />
    </div>
  </li>`;
}

function Group({ title, rows, total, more }) {
  if (!rows.length) return null;
  return html`<h3>${title} <span class="muted">${formatCount(total)}</span></h3>
    <ul aria-label=${`${title} jobs`}>${rows.map((job) => html`<${Row} key=${job.job_id} job=${job} />`)}</ul>
    ${rows.length < total && html`<p class="more"><button type="button" onClick=${more}>Show more</button></p>`}`;
}

function NoJobs() {
  if (!loaded.value) return html`<p class="empty muted">Reading jobs…</p>`;
  if (metrics.value?.total) {
    const all = () => (view.state.value = view.provider.value = "");
    return html`<div class="empty"><p>No job is like that.</p><button type="button" onClick=${all}>Show all</button></div>`;
  }
  return html`<div class="empty"><p>No jobs yet.</p>
    <p class="muted"><code>tasuki job submit --on local -- python train.py</code> starts one here; Sync finds those of other places.</p></div>`;
}

function JobsList() {
  const most = useSignal(ROWS);
  const active = activeJobs.value;
  const over = finalJobs.value;
  return html`<section class="jobs" aria-label="Jobs">
    <div class="bar">
      <h2>Jobs</h2><span class="muted" role="status">${loaded.value ? plural(active.length + totalFinal.value, "job") : "reading…"}</span>
      <span class="spring"></span>
      ${metrics.value && html`<${Cost} />`}<${Providers} /><${SyncButton} />
    </div>
    ${metrics.value && html`<${States} />`}
    <${Degraded} />
    <div class="scroll" tabindex="0" role="region" aria-label="List of jobs">
      ${active.length + over.length === 0 && html`<${NoJobs} />`}
      <${Group} title="Active" rows=${active.slice(0, most.value)} total=${active.length} more=${() => (most.value += ROWS)} />
      <${Group} title="Finished" rows=${over} total=${totalFinal.value} more=${moreJobs} />
    </div>
  </section>`;
}

export function JobsPage() {
  const open = view.job.value !== "";
  return html`<main class=${`work jobs-page ${open ? "open" : ""}`}>
    <h1 class="visually-hidden">Jobs</h1>
    ${!(open && narrow.value) && html`<${JobsList} />`}
    ${open && html`<${JobSheet} key=${view.job.value} id=${view.job.value} />`}
  </main>`;
}
