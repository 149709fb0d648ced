/** Which page is shown: the one that was chosen, else the notes of a project that has nothing else, else runs. */
import { computed } from "./html.js";
import { projects } from "./project.js";
import { view } from "./view.js";

export const page = computed(() => {
  if (view.page.value) return view.page.value;
  return projects.value?.find(({ name }) => name === view.project.value)?.runs === 0 ? "notes" : "runs";
});
