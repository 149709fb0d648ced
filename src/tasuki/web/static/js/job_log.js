/** The lines of a job, live: text and nothing else. */
import { logStream } from "./api.js";
import { plural } from "./format.js";
import { html, useEffect, useRef, useSignal } from "./html.js";
import { plainLine } from "./log_text.js";

const MOST = 20_000; // lines in the document
const BLOCK = 1000;
const BATCH_MS = 100;
const NEAR = 24; // so near to its end, the reader follows

/** The lines in the document, in blocks, of which the oldest go. */
class Lines {
  constructor(box) {
    this.box = box;
    this.blocks = [];
    this.count = 0;
    this.dropped = 0;
  }

  add(lines) {
    for (const line of lines) {
      let block = this.blocks.at(-1);
      if (!block || block.size === BLOCK) {
        block = { node: document.createTextNode(""), size: 0, text: [] };
        this.box.append(block.node);
        this.blocks.push(block);
      }
      block.size++;
      block.text.push(line);
    }
    for (const { node, text } of this.blocks.slice(-Math.ceil(lines.length / BLOCK) - 1)) {
      if (text.length) node.appendData(`${text.splice(0).join("\n")}\n`);
    }
    this.count += lines.length;
    while (this.count - this.dropped > MOST) {
      const { node, size } = this.blocks.shift();
      node.remove();
      this.dropped += size;
    }
  }
}

export function JobLog({ id, name }) {
  const box = useRef(null);
  const scroller = useRef(null);
  const seen = useSignal({ count: 0, dropped: 0, state: "reading…" });
  const following = useSignal(true);
  const wraps = useSignal(true);

  useEffect(() => {
    const lines = new Lines(box.current);
    const waiting = [];
    let timer = 0;
    const show = (state) => (seen.value = { count: lines.count, dropped: lines.dropped, state });
    const flush = (state) => {
      timer = 0;
      lines.add(waiting.splice(0));
      show(state);
      if (following.peek()) scroller.current.scrollTop = scroller.current.scrollHeight;
    };
    const source = logStream(id);
    source.addEventListener("open", () => show("live"));
    source.addEventListener("message", ({ data }) => {
      waiting.push(plainLine(data));
      timer ||= setTimeout(flush, BATCH_MS, "live");
    });
    source.addEventListener("done", () => {
      source.close();
      clearTimeout(timer);
      flush("complete");
    });
    source.addEventListener("error", () => show(source.readyState === EventSource.CLOSED ? "can't be followed now" : "offline"));
    return () => {
      source.close();
      clearTimeout(timer);
    };
  }, [id]);

  const { count, dropped, state } = seen.value;
  const scrolled = () => {
    const { scrollTop, clientHeight, scrollHeight } = scroller.current;
    following.value = scrollTop + clientHeight > scrollHeight - NEAR;
  };
  const follow = () => {
    following.value = true;
    scroller.current.scrollTop = scroller.current.scrollHeight;
  };
  return html`<div class="log">
    <div class="bar">
      <h3>Log</h3>
      <span class="muted" role="status">${plural(count, "line")} · ${state}${dropped ? ` · the last ${plural(count - dropped, "line")} shown` : ""}</span>
      <span class="spring"></span>
      <button type="button" class="quiet" aria-pressed=${wraps.value} onClick=${() => (wraps.value = !wraps.value)}>Wrap</button>
      <button type="button" class="quiet" aria-pressed=${following.value} onClick=${follow}>Follow</button>
    </div>
    <div class="scroll" ref=${scroller} tabindex="0" role="region" aria-label=${`Log of ${name}`} onScroll=${scrolled}>
      <pre class=${wraps.value ? "wraps" : ""} ref=${box}></pre>
      ${count === 0 && html`<p class="empty muted">${state === "complete" ? "It has written nothing." : "Nothing yet."}</p>`}
    </div>
  </div>`;
}
