/**
 * The points of one chart: buckets of equal width in x, one lane of min, max, last and NaN a run.
 *
 * A live point goes to its bucket. Where the grid is full, two neighbours become one: exact for min, max and last, and the
 * server need not be asked again.
 */

const finite = (value) => (Number.isFinite(value) ? value : NaN);

class Lane {
  constructor(size) {
    this.n = 0;
    this.x = new Float64Array(size).fill(NaN);
    this.min = new Float64Array(size).fill(NaN);
    this.max = new Float64Array(size).fill(NaN);
    this.last = new Float64Array(size).fill(NaN);
    this.nan = new Uint8Array(size);
  }

  /** Add what lies at x, up to the bucket's end, to bucket i. */
  put(i, x, min, max, last, nan) {
    if (!(this.min[i] <= min)) this.min[i] = Number.isNaN(min) ? this.min[i] : min;
    if (!(this.max[i] >= max)) this.max[i] = Number.isNaN(max) ? this.max[i] : max;
    if (nan) this.nan[i] = 1;
    if (!(this.x[i] > x)) {
      this.x[i] = x;
      // A NaN does not hide the number before it in the same bucket: the flag tells of it.
      if (!Number.isNaN(last)) this.last[i] = last;
    }
  }

  /** Make one bucket of two neighbours. */
  halve(size) {
    const old = new Lane(0);
    Object.assign(old, this);
    Object.assign(this, new Lane(size), { n: this.n });
    for (let i = 0; i < size; i++) {
      if (!Number.isNaN(old.x[i])) this.put(i >> 1, old.x[i], old.min[i], old.max[i], old.last[i], old.nan[i]);
    }
  }
}

export class Grid {
  /** Buckets over steps `from` to `to`, about `columns` of them; `fixed` (a zoom) leaves out what lies outside. */
  constructor(from, to, columns, fixed = false) {
    this.from = from;
    this.to = to;
    this.columns = columns;
    this.fixed = fixed;
    this.width = Math.max(1, (to - from + 1) / columns);
    this.limit = columns * 2;
    this.lanes = new Map();
  }

  /** How many buckets are in use. */
  get size() {
    return Math.min(this.limit, Math.floor((this.to - this.from) / this.width) + 1);
  }

  lane(run) {
    let lane = this.lanes.get(run);
    if (!lane) this.lanes.set(run, (lane = new Lane(this.limit)));
    return lane;
  }

  /** The bucket of a step, after making room for it; -1 if it is not to be shown. */
  bucket(step) {
    if (step < this.from || (this.fixed && step > this.to)) return -1;
    let i = Math.floor((step - this.from) / this.width);
    while (i >= this.limit) {
      for (const lane of this.lanes.values()) lane.halve(this.limit);
      this.width *= 2;
      i = Math.floor((step - this.from) / this.width);
    }
    if (step > this.to) this.to = step;
    return i;
  }

  /** Add one point; false if it lies left of the grid. */
  add(run, step, value) {
    const i = this.bucket(step);
    if (i < 0) return this.fixed;
    const seen = finite(value);
    const lane = this.lane(run);
    lane.n++;
    lane.put(i, step, seen, seen, seen, Number.isNaN(seen));
    return true;
  }

  /** Put a run's columns from the server in place of what is there; `lastStep` is where the run is now. */
  replace(run, x, { n, min, max, last, nan }, lastStep) {
    this.lanes.delete(run);
    const lane = this.lane(run);
    lane.n = n;
    for (let k = 0; k < x.length; k++) {
      if (Number.isNaN(min[k]) && Number.isNaN(last[k]) && !nan[k]) continue;
      // A column's x is its end, where the run may not have come yet.
      const at = Math.min(x[k], Math.max(lastStep, k ? x[k - 1] + 1 : this.from));
      const i = this.bucket(at);
      if (i < 0) continue;
      const odd = nan[k] === 1 || [min[k], max[k], last[k]].some((value) => Math.abs(value) === Infinity);
      lane.put(i, at, finite(min[k]), finite(max[k]), finite(last[k]), odd);
    }
  }

  /** The x of every bucket, for the crosshair. */
  xs() {
    const xs = new Float64Array(this.size);
    const offset = this.width > 1 ? this.width / 2 : 0;
    for (let i = 0; i < xs.length; i++) xs[i] = Math.min(this.to, this.from + i * this.width + offset);
    return xs;
  }

  /** The lowest and highest value of some runs between two steps; with `positive`, above zero. */
  extent(runs, from, to, positive = false) {
    const first = Math.max(0, Math.floor((from - this.from) / this.width));
    const last = Math.min(this.size - 1, Math.floor((to - this.from) / this.width));
    let low = Infinity;
    let high = -Infinity;
    for (const run of runs) {
      const lane = this.lanes.get(run);
      if (!lane) continue;
      for (let i = first; i <= last; i++) {
        if (lane.min[i] < low && (!positive || lane.min[i] > 0)) low = lane.min[i];
        if (lane.max[i] > high && (!positive || lane.max[i] > 0)) high = lane.max[i];
        if (positive && lane.last[i] > 0 && lane.last[i] < low) low = lane.last[i];
      }
    }
    return low <= high ? [low, high] : null;
  }

  /** A run's bucket that is nearest to bucket i and not empty; -1 if there is none within reach. */
  nearest(run, i, reach = this.size) {
    const lane = this.lanes.get(run);
    if (!lane) return -1;
    for (let d = 0; d <= reach; d++) {
      if (i - d >= 0 && !Number.isNaN(lane.x[i - d])) return i - d;
      if (i + d < this.size && !Number.isNaN(lane.x[i + d])) return i + d;
    }
    return -1;
  }
}
