/** The list of notes: corrections, lessons, events, the newest first. */
import { formatAge, formatMoment, plural } from "./format.js";
import { html, useState } from "./html.js";
import { Icon } from "./icons.js";
import { moreNotes, notes, totalNotes } from "./notes.js";
import { runs } from "./project.js";
import { now } from "./runs_table.js";
import { view } from "./view.js";

const KINDS = [
  ["", "All"],
  ["correction", "Corrections"],
  ["lesson", "Lessons"],
  ["event", "Events"],
];
const LONG = 400;
const SHOWN_APART = new Set(["draft", "final", "description", "text", "name", "category", "severity", "confidence"]);

function Kinds() {
  return html`<div class="kinds" role="group" aria-label="Kinds of notes">
    ${KINDS.map(([kind, label]) => html`<button key=${kind} type="button" class="quiet" aria-pressed=${view.kind.value === kind} onClick=${() => (view.kind.value = kind)}>${label}</button>`)}
  </div>`;
}

/** A text that is cut while it is long, until the reader asks for all of it. */
function Text({ text, tag }) {
  const [whole, setWhole] = useState(false);
  const long = text.length > LONG;
  const shown = long && !whole ? `${text.slice(0, LONG)}…` : text;
  return html`<${tag} class="said">${shown || html`<i class="muted">nothing</i>`}<//>
    ${long && html`<button type="button" class="tiny" aria-expanded=${whole} onClick=${() => setWhole(!whole)}>${whole ? "less" : `all ${plural(text.length, "character")}`}</button>`}`;
}

function Facts({ note }) {
  const { severity, confidence } = note.content;
  const run = note.run && (runs.byId.get(note.run)?.name ?? note.run);
  const facts = [
    note.category && note.category !== "UNKNOWN" ? note.category : null,
    severity ?? null,
    confidence === undefined ? null : `${Math.round(confidence * 100)} % sure`,
    note.session === null ? null : `session ${note.session}`,
    run || null,
  ].filter(Boolean);
  return html`${facts.map((fact) => html`<span key=${fact} class="muted">${fact}</span>`)}`;
}

function Note({ note }) {
  const { draft, final } = note.content;
  const rest = Object.entries(note.content).filter(([name]) => !SHOWN_APART.has(name));
  return html`<li class="note">
    <header>
      <span class=${`kind ${note.kind}`}><${Icon} name=${note.kind} /><span>${note.kind.replace("_", " ")}</span></span>
      ${note.conflict && html`<span class="conflict" title="An earlier note has the same id and says something else: that one stands"><${Icon} name="alert" /><span>conflict</span></span>`}
      <${Facts} note=${note} />
      <time class="muted" datetime=${new Date(note.time / 1000).toISOString()} title=${formatMoment(note.time)}>${formatAge(note.time, now.value)}</time>
    </header>
    ${note.text && html`<${Text} tag="p" text=${note.text} />`}
    ${(draft !== undefined || final !== undefined) && html`<div class="change"><${Text} tag="del" text=${draft ?? ""} /><${Text} tag="ins" text=${final ?? ""} /></div>`}
    ${rest.length > 0 && html`<${Text} tag="code" text=${rest.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join("\n")} />`}
  </li>`;
}

export function NotesList() {
  const rows = notes.value;
  const filtered = view.kind.value || view.query.value;
  return html`<section class="notes" aria-label="Notes">
    <div class="bar"><h2>Notes</h2><span class="muted" role="status">${rows ? plural(totalNotes.value, "note") : "reading…"}</span><span class="spring"></span><${Kinds} /></div>
    <div class="scroll" tabindex="0" role="region" aria-label="List of notes">
      ${rows && !rows.length && html`<div class="empty"><p>${filtered ? "No note is like that." : "No notes yet."}</p>
        ${!filtered && html`<p class="muted"><code>tasuki.lesson("...")</code> in a run, or <code>tasuki.Brain(dir)</code>, makes one.</p>`}</div>`}
      ${rows && rows.length > 0 && html`<ul>${rows.map((note) => html`<${Note} key=${note.id} note=${note} />`)}</ul>`}
      ${rows && rows.length < totalNotes.value && html`<p class="more"><button type="button" onClick=${moreNotes}>Show more</button></p>`}
    </div>
  </section>`;
}
