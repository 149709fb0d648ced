/** A question before something that can't be taken back. */
import { html, signal, useEffect, useRef } from "./html.js";

const question = signal(null);

/** Ask; `run()` is done if the answer is `yes`. */
export function ask({ title, text, yes, no, run }) {
  question.value = { title, text, yes, no, run };
}

export function Confirm() {
  const dialog = useRef(null);
  const asked = question.value;
  useEffect(() => {
    if (asked) dialog.current.showModal();
  }, [asked]);
  const answer = (run) => {
    dialog.current.close();
    run?.();
  };
  return html`<dialog ref=${dialog} class="confirm" aria-labelledby="confirm-title" aria-describedby="confirm-text" onClose=${() => (question.value = null)}
    onClick=${(event) => event.target === dialog.current && answer()}>
    ${asked && html`<div class="sheet">
      <h2 id="confirm-title">${asked.title}</h2>
      <p id="confirm-text">${asked.text}</p>
      <div class="answers">
        <button type="button" autofocus onClick=${() => answer()}>${asked.no}</button>
        <button type="button" class="danger" onClick=${() => answer(asked.run)}>${asked.yes}</button>
      </div>
    </div>`}
  </dialog>`;
}
