/** The notes of the project. */
import { newest } from "./newest.js";
import { notesRevision } from "./project.js";
import { view } from "./view.js";

export const {
  rows: notes,
  total: totalNotes,
  more: moreNotes,
  follow: followNotes,
} = newest("notes", {
  size: 200,
  revision: notesRevision,
  words: () => ({ brain: view.project.value, kind: view.kind.value || null, search: view.query.value || null }),
});
