/** The page begins here. */
import { App, helpOpen } from "./app.js";
import { followCharts } from "./chart_data.js";
import { followFiles } from "./files.js";
import { effect, html, render } from "./html.js";
import { followJobs } from "./jobs.js";
import { followKeys } from "./keys.js";
import { followNotes } from "./notes.js";
import { page } from "./page.js";
import { watchColours } from "./palette.js";
import { followProject } from "./project.js";
import { followScreen } from "./runs_table.js";
import { followSelection } from "./selection.js";
import { followUrl, view } from "./view.js";

followUrl();
watchColours(view.theme);
followScreen();
followKeys(() => (helpOpen.value = true));
render(html`<${App} />`, document.getElementById("page"));
followProject();
followSelection();
followCharts();
followNotes();
followFiles();
followJobs();
effect(() => {
  const shown = page.value === "jobs" ? "Jobs" : view.project.value;
  document.title = shown ? `${shown} · tasuki` : "tasuki";
});
