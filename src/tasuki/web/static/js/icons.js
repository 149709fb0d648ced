/** Icons: the few that the page has, drawn in the colour of the text around them. */
import { html } from "./html.js";

const PATHS = {
  running: "M5.5 3.5v9L12.5 8Z",
  finished: "M3 8.5 6.5 12 13 4.5",
  failed: "M4 4l8 8M12 4l-8 8",
  crashed: "M9 1.8 3.5 9H8l-1 5.2L12.5 7H8Z",
  pending: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM5.4 8h.1M8 8h.1M10.5 8h.1",
  uploading: "M8 10.5V3M4.8 6.2 8 3l3.2 3.2M3 13.2h10",
  queued: "M4.2 2.2h7.6M4.2 13.8h7.6M5 2.2c0 4 6 4.2 6 8.6v3M11 2.2c0 4-6 4.2-6 8.6v3",
  completed: "M3 8.5 6.5 12 13 4.5",
  cancelled: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM4 4l8 8",
  alert: "M8 2 1.8 13.2h12.4ZM8 6.4v3.2M8 11.3v.4",
  flag: "M4 14.5V1.8M4 2.5h8l-2.6 3L12 8.5H4",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9ZM10.4 10.4 14 14",
  auto: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM8 2v12M9.5 3v10M11 3.6v8.8M12.5 5v6",
  light: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.1 1.1M11.9 11.9 13 13M13 3l-1.1 1.1M4.1 11.9 3 13",
  dark: "M13.2 9.8A5.8 5.8 0 0 1 6.2 2.8a5.8 5.8 0 1 0 7 7Z",
  table: "M2.5 3h11v10h-11ZM2.5 6.3h11M2.5 9.7h11M6.5 6.3V13",
  log: "M2.5 2v11.5H14M4.5 11C8 10.5 10.5 8 13 3",
  down: "M4 6.5 8 10.5l4-4",
  close: "M4 4l8 8M12 4l-8 8",
  columns: "M2.5 3h11v10h-11ZM6.2 3v10M9.8 3v10",
  correction: "M10.5 2.5 13.5 5.5 5.5 13.5 2 14l.5-3.5Z",
  lesson: "M8 1.8a4.4 4.4 0 0 0-2.4 8.1V12h4.8V9.9A4.4 4.4 0 0 0 8 1.8ZM6.3 14.3h3.4",
  event: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM8 4.8V8l2.4 1.6",
  meta_rule: "M8 1.8a4.4 4.4 0 0 0-2.4 8.1V12h4.8V9.9A4.4 4.4 0 0 0 8 1.8ZM6.3 14.3h3.4",
  manifest: "M3.5 2h6l3 3v9h-9ZM6 7.5h4M6 10.5h4",
  files: "M2 4.5V13h12V4.5H8L6.5 2.5H2Z",
  file: "M3.5 2h6l3 3v9h-9ZM9.5 2v3h3",
  notes: "M3 2.5h10v8l-3 3H3ZM5.5 6h5M5.5 9h3",
  runs: "M2 4h1M5.5 4H14M2 8h1M5.5 8H14M2 12h1M5.5 12H14",
  jobs: "M2.5 5.2h11v8h-11ZM5.8 5.2v-2h4.4v2M2.5 9h11",
  sync: "M13.5 6.5A5.8 5.8 0 0 0 3.1 5M2.8 2.4v2.9h2.9M2.5 9.5A5.8 5.8 0 0 0 12.9 11M13.2 13.6v-2.9h-2.9",
  lines: "M2.5 4h11M2.5 8h7M2.5 12h9",
  stop: "M4 4h8v8H4Z",
  retry: "M13 8a5 5 0 1 1-1.5-3.6L13 6M13 2.6V6H9.6",
  back: "M9.5 3.5 5 8l4.5 4.5M5 8h8.5",
  link: "M6.5 3H3v10h10V9.5M9.5 2.5h4v4M13.5 2.5 7.5 8.5",
  charts: "M2 2v12h12M4.5 10.5l3-3.5 2.5 2L14 4",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" />
  </svg>`;
}

/** tasuki's mark: a sash, passed on. */
export function Brand() {
  return html`<svg class="brand" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" focusable="false">
    <path d="M4 5.5C9.5 5.5 14.5 18.5 20 18.5" fill="none" stroke="currentColor" stroke-width="4" stroke-linecap="round" />
    <path d="M4 18.5c2.6 0 4.8-2.7 6.6-5.6M20 5.5c-2.6 0-4.8 2.7-6.6 5.6" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" />
  </svg>`;
}

/** How a run stands: icon, word and colour. */
export function State({ status, title, word }) {
  return html`<span class=${`state ${status}`} title=${title}><${Icon} name=${status} /><span class="word">${word ?? status}</span></span>`;
}

/** A run's colour and dash, as its lines in the charts have them. */
export function Mark({ mark, dashes }) {
  if (!mark) return html`<span class="mark none"></span>`;
  return html`<svg class=${`mark s${mark.colour}`} viewBox="0 0 22 8" width="22" height="8" aria-hidden="true" focusable="false">
    <path d="M0 4h22" stroke="currentColor" stroke-width="3" stroke-dasharray=${dashes[mark.dash].join(" ") || null} />
  </svg>`;
}
