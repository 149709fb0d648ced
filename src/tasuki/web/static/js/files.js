/** The files of the project, or of one run. */
import { newest } from "./newest.js";
import { filesRevision } from "./project.js";
import { view } from "./view.js";

export const {
  rows: files,
  total: totalFiles,
  more: moreFiles,
  follow: followFiles,
} = newest("files", {
  size: 100,
  revision: filesRevision,
  words: () => ({ project: view.project.value, run: view.run.value || null, search: view.query.value || null }),
});

/** Where a file's content is: a relative URL. */
export function fileAddress(file) {
  const words = new URLSearchParams({ project: file.project, run: file.run });
  return new URL(`api/v1/files/${file.sha256}?${words}`, document.baseURI).href;
}
