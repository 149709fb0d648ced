/** One job: what is known of it, and its lines as they come. */
import { formatMoment } from "./format.js";
import { html, useEffect, useRef } from "./html.js";
import { Icon, State } from "./icons.js";
import { JobLog } from "./job_log.js";
import { Actions, costOf, Doing, Doubt, Output, timeOf, Trouble } from "./job_parts.js";
import { jobOf, loaded, nameOf, placeOf } from "./jobs.js";
import { narrow } from "./runs_table.js";
import { view } from "./view.js";

function factsOf(job) {
  const moment = (time) => time !== null && formatMoment(time * 1000);
  return [
    ["Provider", placeOf(job)],
    ["Hardware", job.hardware_type],
    ["Attempt", job.attempt > 1 && String(job.attempt)],
    ["Created", moment(job.created)],
    ["Started", moment(job.started)],
    ["Ended", moment(job.completed)],
    ["Time", timeOf(job)],
    ["Cost", costOf(job)],
    ["User", job.user_id],
    ["Run", job.run_id],
    ["Id", job.job_id],
    ["External id", job.external_id],
    ["Raw status", job.raw_status !== job.status && job.raw_status],
  ].filter(([, value]) => value);
}

function close() {
  const id = view.job.peek();
  view.job.value = "";
  requestAnimationFrame(() => document.querySelector(`#job-${CSS.escape(id)} .name`)?.focus());
}

export function JobSheet({ id }) {
  const title = useRef(null);
  const job = jobOf(id);
  const there = Boolean(job);
  useEffect(() => title.current?.focus(), [there]);
  const leave = (event) => event.key === "Escape" && close();
  const way = html`<button type="button" class="quiet square" onClick=${close} aria-label=${narrow.value ? "Back to the list" : "Close"}>
    <${Icon} name=${narrow.value ? "back" : "close"} /></button>`;
  if (!job) {
    return html`<section class="job-sheet" aria-label="Job" onKeyDown=${leave}>
      <header>${narrow.value && way}<h2 tabindex="-1">${loaded.value ? "There is no such job" : "Reading…"}</h2><span class="spring"></span>${!narrow.value && way}</header>
    </section>`;
  }
  const { command } = job.metadata;
  return html`<section class="job-sheet" aria-label=${`Job ${nameOf(job)}`} onKeyDown=${leave}>
    <header>
      ${narrow.value && way}
      <h2 tabindex="-1" ref=${title} title=${nameOf(job)}>${nameOf(job)}</h2>
      <${Output} url=${job.output_url} /><${Actions} job=${job} />
      ${!narrow.value && way}
    </header>
    <div class="known">
      <div class="status"><${State} status=${job.status} title=${job.raw_status} /><${Doubt} job=${job} /></div>
      <${Doing} job=${job} />
      <${Trouble} job=${job} />
      ${command?.join && html`<code class="command">${command.join(" ")}</code>`}
      <dl>${factsOf(job).map(([term, value]) => html`<div key=${term}><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>
    </div>
    <${JobLog} key=${`${id} ${job.attempt}`} id=${id} name=${nameOf(job)} />
  </section>`;
}
