/** The help: keys, the filter's words, what the charts do. */
import { html, useEffect, useRef } from "./html.js";
import { KEYS, keysOn, switchKeys } from "./keys.js";

const WORDS = [
  ["otter", "name, id, tag, group or notes contain it"],
  ["tag:base", "has this tag"],
  ["status:failed", "running, finished, failed or crashed"],
  ["group:a  name:lr", "the group or name contains it"],
  ["loss<0.1", "the last value; also loss.min, .max, .first, .n"],
  ["-tag:base", "not that"],
];
const CHARTS = [
  ["drag", "zoom all charts to those steps"],
  ["double-click", "all steps again"],
  ["band", "least and greatest value of each pixel column: no point is left out"],
  ["⚑", "NaN was logged here"],
];

function Terms({ title, rows, Tag }) {
  return html`<h3>${title}</h3>
    <dl>${rows.map(([term, meaning]) => html`<div key=${term}><dt><${Tag}>${term}<//></dt><dd>${meaning}</dd></div>`)}</dl>`;
}

export function Help({ open }) {
  const dialog = useRef(null);
  useEffect(() => {
    if (open.value) dialog.current.showModal();
  }, [open.value]);
  const aside = (event) => event.target === dialog.current && dialog.current.close();
  return html`<dialog ref=${dialog} aria-labelledby="help-title" onClose=${() => (open.value = false)} onClick=${aside}>
    <div class="sheet">
      <header><h2 id="help-title">Help</h2><span class="spring"></span>
        <button type="button" onClick=${() => dialog.current.close()}>Close</button></header>
      <${Terms} title="Keys" rows=${KEYS} Tag="kbd" />
      <label class="check"><input type="checkbox" checked=${keysOn.value} onChange=${(event) => switchKeys(event.target.checked)} />Keys of one letter are on</label>
      <${Terms} title="Filter" rows=${WORDS} Tag="code" />
      <${Terms} title="Charts" rows=${CHARTS} Tag="code" />
    </div>
  </dialog>`;
}
