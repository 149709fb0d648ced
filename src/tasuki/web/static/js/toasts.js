/** Short words in a corner, which go by themselves. */
import { html, signal } from "./html.js";
import { Icon } from "./icons.js";

const MOST = 3;
const STAY_MS = 12_000;

const toasts = signal([]);

/** Say it; what has the same id is said once. `level` is info, warn or error. */
export function toast({ id = crypto.getRandomValues(new Uint32Array(1))[0], level = "info", title, text = "" }) {
  toasts.value = [...toasts.value.filter((other) => other.id !== id), { id, level, title, text }].slice(-MOST);
  setTimeout(() => dismiss(id), STAY_MS);
}

function dismiss(id) {
  toasts.value = toasts.value.filter((other) => other.id !== id);
}

export function forgetToasts() {
  toasts.value = [];
}

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map(
      ({ id, level, title, text }) => html`<div key=${id} class=${`toast ${level}`}>
        <${Icon} name=${level === "info" ? "event" : "alert"} />
        <div><b>${title}</b>${text && html`<div class="muted">${text}</div>`}</div>
        <button type="button" class="quiet square" onClick=${() => dismiss(id)} aria-label="Dismiss"><${Icon} name="close" /></button>
      </div>`,
    )}
  </div>`;
}
