/** The list of files: pictures as they are, everything else to be saved. */
import { fileAddress, files, moreFiles, totalFiles } from "./files.js";
import { formatAge, formatMoment, formatSize, formatStep, plural } from "./format.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { allRuns } from "./project.js";
import { now } from "./runs_table.js";
import { view } from "./view.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

function RunChooser() {
  return html`<label class="of-run"><span>Run</span>
    <select aria-label="Run" value=${view.run.value} onChange=${(event) => (view.run.value = event.target.value)}>
      <option value="">all</option>
      ${[...allRuns.value].reverse().map((run) => html`<option key=${run.id} value=${run.id} selected=${run.id === view.run.value}>${run.name}</option>`)}
    </select>
  </label>`;
}

function Content({ file }) {
  const name = file.key ?? file.name;
  if (!file.sha256) return html`<p class="file-name"><span>${name}</span><span class="muted">its content has not come</span></p>`;
  const address = fileAddress(file);
  if (file.form === "image" || PICTURES.has(file.media_type)) {
    return html`<a class="picture" href=${address} target="_blank" rel="noopener"><img src=${address} alt=${file.caption || name} loading="lazy" /></a>
      <p class="file-name"><span>${name}</span></p>`;
  }
  return html`<p class="file-name"><a href=${address} download><${Icon} name="file" /><span>${name}</span></a></p>`;
}

function File({ file }) {
  const facts = [
    file.form === "file" ? null : file.form,
    file.run ? file.run_name : "of the project",
    file.step === null ? null : `step ${formatStep(file.step)}`,
    file.size === null ? null : formatSize(file.size),
  ].filter(Boolean);
  return html`<li class="file">
    <${Content} file=${file} />
    ${file.caption && html`<p class="caption">${file.caption}</p>`}
    <p class="facts muted">${facts.join(" · ")} · <time datetime=${new Date(file.time / 1000).toISOString()} title=${formatMoment(file.time)}>${formatAge(file.time, now.value)}</time></p>
  </li>`;
}

export function FilesList() {
  const rows = files.value;
  const filtered = view.run.value || view.query.value;
  return html`<section class="files" aria-label="Files">
    <div class="bar"><h2>Files</h2><span class="muted" role="status">${rows ? plural(totalFiles.value, "file") : "reading…"}</span><span class="spring"></span><${RunChooser} /></div>
    <div class="scroll" tabindex="0" role="region" aria-label="List of files">
      ${rows && !rows.length && html`<div class="empty"><p>${filtered ? "No file is like that." : "No files yet."}</p>
        ${!filtered && html`<p class="muted"><code>run.save("net.yaml")</code> keeps one.</p>`}</div>`}
      ${rows && rows.length > 0 && html`<ul>${rows.map((file) => html`<${File} key=${file.id} file=${file} />`)}</ul>`}
      ${rows && rows.length < totalFiles.value && html`<p class="more"><button type="button" onClick=${moreFiles}>Show more</button></p>`}
    </div>
  </section>`;
}
