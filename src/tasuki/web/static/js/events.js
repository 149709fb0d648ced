/** What happens, handed on in batches. */
import { attend } from "./stream.js";

const BATCH_MS = 100;
const OPEN_MS = 1000;

export class Events {
  /** Listen; `take(events)` gets the events of all projects, `reset()` says that what was fetched is no longer to be trusted. */
  constructor(project, { take, reset }) {
    this.queue = [];
    this.timer = 0;
    this.held = false;
    this.take = take;
    const { opened, leave } = attend(project, {
      message: (data) => {
        this.queue.push(JSON.parse(data));
        this.timer ||= setTimeout(() => this.flush(), BATCH_MS);
      },
      reset: () => {
        this.queue.length = 0;
        reset();
      },
    });
    /** What comes between an answer and the stream's beginning would be missed: await this first. It takes a second at most. */
    this.connected = Promise.race([opened, new Promise((resolve) => setTimeout(resolve, OPEN_MS))]);
    this.leave = leave;
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
    this.leave();
    clearTimeout(this.timer);
  }
}
