/** The page. */
import { locked } from "./api.js";
import { ChartGrid } from "./chart_grid.js";
import { Confirm } from "./confirm.js";
import { FilesList } from "./files_list.js";
import { html, signal } from "./html.js";
import { Help } from "./help.js";
import { Icon } from "./icons.js";
import { JobsPage } from "./jobs_list.js";
import { Login } from "./login.js";
import { NotesList } from "./notes_list.js";
import { page } from "./page.js";
import { problem, projects } from "./project.js";
import { narrow, RunsTable } from "./runs_table.js";
import { Toasts } from "./toasts.js";
import { TopBar } from "./top_bar.js";
import { openPage, openProject, view } from "./view.js";

export const helpOpen = signal(false);

const SNIPPET = `import tasuki

with tasuki.init(project="demo") as run:
    for step in range(100):
        run.log({"train/loss": 1 / (step + 1)}, step=step)`;

function Welcome() {
  return html`<main class="welcome">
    <h1>No runs yet</h1>
    <p>Runs that are logged into this folder, or sent here, appear by themselves.</p>
    <pre tabindex="0"><code>${SNIPPET}</code></pre>
  </main>`;
}

function NoProject({ name }) {
  return html`<main class="welcome">
    <h1>No project <q>${name}</q></h1>
    <p>${projects.value.length} other ${projects.value.length === 1 ? "project is" : "projects are"} here:</p>
    <ul>${projects.value.map((project) => html`<li key=${project.name}><button type="button" onClick=${() => openProject(project.name)}>${project.name}</button></li>`)}</ul>
  </main>`;
}

function Tabs() {
  const current = page.value === "runs" ? view.tab.value : page.value;
  const open = (name) => {
    const isPage = ["notes", "files", "jobs"].includes(name);
    openPage(isPage ? name : "runs");
    if (!isPage) view.tab.value = name;
  };
  const tab = (name, label) => html`<button type="button" aria-current=${current === name ? "page" : null} onClick=${() => open(name)}>
    <${Icon} name=${name} /><span>${label}</span>
  </button>`;
  return html`<nav class="tabs" aria-label="Views">${tab("runs", "Runs")}${tab("charts", "Charts")}${tab("notes", "Notes")}${tab("files", "Files")}${tab("jobs", "Jobs")}</nav>`;
}

function Main() {
  if (locked.value) return html`<${Login} />`;
  if (page.value === "jobs") return html`<${JobsPage} />`;
  const known = projects.value;
  const name = view.project.value;
  if (known && !known.length && !name) return html`<${Welcome} />`;
  if (known?.length && name && !known.some((project) => project.name === name)) return html`<${NoProject} name=${name} />`;
  if (page.value === "notes") return html`<main class="work notes-page"><h1 class="visually-hidden">${name}</h1><${NotesList} /></main>`;
  if (page.value === "files") return html`<main class="work files-page"><h1 class="visually-hidden">${name}</h1><${FilesList} /></main>`;
  const both = !narrow.value;
  return html`<main class="work">
    <h1 class="visually-hidden">${name || "tasuki"}</h1>
    ${(both || view.tab.value === "runs") && html`<${RunsTable} />`}
    ${(both || view.tab.value === "charts") && html`<${ChartGrid} />`}
  </main>`;
}

export function App() {
  return html`<${TopBar} help=${() => (helpOpen.value = true)} />
    ${problem.value && !locked.value && html`<p class="problem" role="alert"><${Icon} name="alert" /><span>${problem.value}. Trying again…</span></p>`}
    <${Main} />
    ${narrow.value && !locked.value && html`<${Tabs} />`}
    <${Toasts} />
    <${Confirm} />
    <${Help} open=${helpOpen} />`;
}
