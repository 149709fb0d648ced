/** The event stream of a project, handed on in batches. */
import { signal } from "./html.js";

const QUIET_MS = 40_000; // a heartbeat comes every 15 s
const BATCH_MS = 100;

/** How the stream stands: connecting, live or offline. */
export const stream = signal("connecting");

export class Events {
  /** Open the stream; `take(events)` gets the data events, `reset()` says that what was fetched is no longer to be trusted. */
  constructor(project, { take, reset }) {
    this.queue = [];
    this.timer = 0;
    this.held = false;
    this.take = take;
    this.connected = new Promise((resolve) => (this.resolve = resolve));
    const url = new URL("api/events", document.baseURI);
    url.searchParams.set("project", project);
    this.source = new EventSource(url);
    stream.value = "connecting";
    this.source.addEventListener("connection", () => this.heard());
    this.source.addEventListener("heartbeat", () => this.heard());
    this.source.addEventListener("reset", () => {
      this.heard();
      this.queue.length = 0;
      reset();
    });
    this.source.addEventListener("message", ({ data }) => {
      this.heard();
      this.queue.push(JSON.parse(data));
      this.timer ||= setTimeout(() => this.flush(), BATCH_MS);
    });
    this.source.addEventListener("error", () => {
      stream.value = "offline";
      // The browser connects again by itself, but for an answer that is no stream: then it gives up, and we try later.
      if (this.source.readyState === EventSource.CLOSED) this.again = setTimeout(reset, 5000);
    });
    this.watch = setInterval(() => {
      if (performance.now() - this.at > QUIET_MS) stream.value = "offline";
    }, 5000);
    this.at = performance.now();
  }

  heard() {
    this.at = performance.now();
    stream.value = "live";
    this.resolve();
  }

  flush() {
    this.timer = 0;
    if (!this.held && this.queue.length) this.take(this.queue.splice(0));
  }

  /** Keep events back until `release`. */
  hold() {
    this.held = true;
  }

  release() {
    this.held = false;
    this.flush();
  }

  close() {
    this.source.close();
    clearTimeout(this.timer);
    clearTimeout(this.again);
    clearInterval(this.watch);
  }
}
