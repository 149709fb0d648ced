/** The bar on top: project, pages, search, how the stream and the records stand, theme, help. */
import { locked } from "./api.js";
import { html, useEffect, useRef } from "./html.js";
import { Brand, Icon } from "./icons.js";
import { page } from "./page.js";
import { completeness, projects } from "./project.js";
import { narrow } from "./runs_table.js";
import { stream } from "./stream.js";
import { openPage, openProject, view } from "./view.js";

const NEXT_THEME = { auto: "light", light: "dark", dark: "auto" };
const TYPING_MS = 120;
const RUNS = { label: "Filter runs", hint: "Filter runs: otter  tag:base  status:failed  loss.min<0.1" };
const FILES = { label: "Search files", hint: "Search files: name, caption, run" };
const NOTES = { label: "Search notes", hint: "Search notes: any text in them" };

function ProjectChooser() {
  const names = (projects.value ?? []).map((project) => project.name);
  const current = view.project.value;
  if (current && !names.includes(current)) names.unshift(current);
  return html`<label class="project">
    <span class="visually-hidden">Project</span>
    <select value=${current} onChange=${(event) => openProject(event.target.value)} disabled=${names.length === 0}>
      ${names.length === 0 && html`<option value="">no project</option>`}
      ${names.map((name) => html`<option key=${name} value=${name} selected=${name === current}>${name}</option>`)}
    </select>
    <${Icon} name="down" />
  </label>`;
}

function Search() {
  const box = useRef(null);
  const timer = useRef(0);
  const query = view.query.value;
  const seeks = { notes: NOTES, files: FILES }[page.value] ?? RUNS;
  useEffect(() => {
    if (document.activeElement !== box.current) box.current.value = query;
  }, [query]);
  const type = (event) => {
    const text = event.target.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => (view.query.value = text), TYPING_MS);
  };
  const leave = (event) => event.key === "Escape" && event.target.blur();
  return html`<div class="search">
    <${Icon} name="search" />
    <input id="search" ref=${box} type="search" aria-label=${seeks.label} autocomplete="off" spellcheck="false" onInput=${type}
      onKeyDown=${leave} placeholder=${seeks.hint} defaultValue=${query} />
    <kbd aria-hidden="true">/</kbd>
  </div>`;
}

function Pages() {
  const link = (name, label) => html`<button type="button" class="quiet" aria-current=${page.value === name ? "page" : null} onClick=${() => openPage(name)}>${label}</button>`;
  return html`<nav class="pages" aria-label="Pages">${link("runs", "Runs")}${link("notes", "Notes")}${link("files", "Files")}${link("jobs", "Jobs")}</nav>`;
}

function SyncPill() {
  const { ok, text, short, why } = completeness.value;
  return html`<span class=${`pill ${ok ? "ok" : "warn"}`} id="sync" role="status" title=${why ? `${text}: ${why}` : text}>
    <${Icon} name=${ok ? "finished" : "alert"} /><span>${narrow.value ? short : text}</span>
  </span>`;
}

export function TopBar({ help }) {
  const theme = view.theme.value;
  return html`<header class="top">
    <span class="home" title="tasuki"><${Brand} /><span class="visually-hidden">tasuki</span></span>
    <${ProjectChooser} />
    ${!narrow.value && !locked.value && html`<${Pages} />`}
    ${view.project.value && page.value !== "jobs" ? html`<${Search} />` : html`<span class="spring"></span>`}
    ${(view.project.value || page.value === "jobs") && html`<span class=${`live ${stream.value}`} id="live" role="status"><i aria-hidden="true"></i><span>${stream.value}</span></span>`}
    ${view.project.value && html`<${SyncPill} />`}
    <button type="button" class="quiet square" id="theme" onClick=${() => (view.theme.value = NEXT_THEME[theme])}
      aria-label=${`Theme: ${theme}. Switch to ${NEXT_THEME[theme]}`} title=${`Theme: ${theme}`}><${Icon} name=${theme} /></button>
    <button type="button" class="quiet square" id="help-button" onClick=${help} aria-label="Help" title="Help (?)">?</button>
  </header>`;
}
