/** What the list of jobs and the sheet of one have in common. */
import { ask } from "./confirm.js";
import { formatCost, formatDuration, formatRough } from "./format.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { cancelJob, nameOf, placeOf, progress, retryJob, secondsLeft } from "./jobs.js";
import { now } from "./runs_table.js";

const DOUBTS = {
  stale: "The last look at it failed: this may be old",
  unreachable: "Its provider can't be asked now: this may be old",
  lost: "The answer to its submission was lost: nobody knows as what it runs, if it does",
};

/** The time now; whoever asks is drawn anew every few seconds. */
function clock() {
  return Math.max(now.value, Date.now());
}

/** Why what is shown may not be so. */
export function Doubt({ job }) {
  const why = job.is_active && DOUBTS[job.sync_state];
  return why && html`<span class="doubt" title=${why}><${Icon} name="alert" /><span>${job.sync_state}</span></span>`;
}

/** How far a job has come: stage, percent, what is left, the bar, and its last line. */
export function Doing({ job }) {
  if (job.status !== "running") return null;
  const said = progress.value.get(job.job_id);
  const percent = said?.progress ?? job.progress;
  const stage = said?.stage ?? job.stage;
  const left = secondsLeft(job, percent, clock());
  return html`<div class="doing">
    <div class="way">
      <span class="stage">${stage ?? "Running"}</span>
      ${percent !== null && html`<b>${percent}%</b>`}
      ${left !== null && html`<span class="muted">≈ ${formatRough(left)} left</span>`}
    </div>
    <${Bar} name=${nameOf(job)} percent=${percent} stage=${stage} />
    ${said?.last_log && html`<div class="last muted">${said.last_log}</div>`}
  </div>`;
}

function Bar({ name, percent, stage }) {
  const known = percent !== null;
  return html`<div class=${`progress ${known ? "" : "unknown"}`} role="progressbar" aria-label=${`Progress of ${name}`} aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${known ? percent : null} aria-valuetext=${known ? `${percent}%${stage ? `, ${stage}` : ""}` : (stage ?? "running")}>
    <i style=${{ width: known ? `${percent}%` : "100%" }}></i>
  </div>`;
}

/** Where its output is, if that is a page: what a provider says is no reason to run a script. */
export function Output({ url }) {
  if (!/^https?:\/\//i.test(url ?? "")) return null;
  return html`<a class="output" href=${url} target="_blank" rel="noopener noreferrer"><${Icon} name="link" /><span>Output</span></a>`;
}

/** What went wrong, where the status does not say it already. */
export function Trouble({ job }) {
  if (!job.error_message || job.error_message === job.status) return null;
  return html`<div class=${`outcome ${job.status === "failed" ? "bad" : "muted"}`} title=${job.error_message}>${job.error_message}</div>`;
}

/** How long it has run, or waits. */
export function timeOf(job) {
  if (job.started !== null) {
    const seconds = job.is_active ? (clock() - job.started) / 1000 : job.duration_seconds;
    return seconds === null ? "" : formatDuration(Math.max(0, seconds));
  }
  return job.is_active ? `waits ${formatRough(Math.max(0, clock() - job.created) / 1000)}` : "";
}

/** What it has cost: an estimate until the provider has said. */
export function costOf(job) {
  if (job.cost_usd === null) return "";
  return `${job.cost_is_final ? "" : "≈ "}${formatCost(job.cost_usd)}`;
}

/** What can be done with a job, asked about before. */
export function Actions({ job }) {
  const name = nameOf(job);
  const cancel = () =>
    ask({
      title: "Cancel this job?",
      text: `${name} is ${job.status} at ${placeOf(job)}. What it has not saved is lost.`,
      yes: "Cancel the job",
      no: "Keep it",
      run: () => cancelJob(job),
    });
  const retry = () =>
    ask({
      title: "Try this job again?",
      text: `${name} begins anew at ${placeOf(job)}, as attempt ${job.attempt + 1}.`,
      yes: "Try again",
      no: "Leave it",
      run: () => retryJob(job),
    });
  if (job.is_active) {
    return html`<button type="button" onClick=${cancel} aria-label=${`Cancel ${name}`}><${Icon} name="stop" /><span>Cancel</span></button>`;
  }
  return html`<button type="button" onClick=${retry} aria-label=${`Retry ${name}`}><${Icon} name="retry" /><span>Retry</span></button>`;
}
