/** Numbers and times as people read them. */

const grouped = new Intl.NumberFormat("en-US");

/** A number out of JSON, where NaN is null or "NaN" and infinities are words. */
export function parseNumber(value) {
  return value === null || value === undefined ? NaN : Number(value);
}

/** A metric's value, 4 significant digits. */
export function formatValue(value) {
  if (value === undefined) return "–";
  if (value === null || Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  let text;
  if (value === 0) text = "0";
  else if (size >= 1e6 || size < 1e-4) text = value.toExponential(3).replace("e+", "e");
  else if (Number.isInteger(value)) text = grouped.format(value);
  else if (size >= 1e4) text = grouped.format(Math.round(value));
  else text = value.toPrecision(4);
  return text.replace("-", "−").replace("e-", "e−");
}

/** How many, exactly. */
export function formatCount(count) {
  return grouped.format(count);
}

export function plural(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

const UNITS = ["", "k", "M", "G", "T", "P", "E"];

/** A step on an axis or in a sentence: SI above 99,999, 4 significant digits. */
export function formatStep(step) {
  if (step === null || step === undefined || Number.isNaN(step)) return "–";
  if (Math.abs(step) < 1e5) return grouped.format(Math.round(step * 100) / 100);
  let [rest, unit] = [Number(step.toPrecision(4)), 0];
  while (Math.abs(rest) >= 1000 && unit < UNITS.length - 1) [rest, unit] = [rest / 1000, unit + 1];
  return `${Number(rest.toPrecision(4))}${UNITS[unit]}`;
}

/** How many bytes. */
export function formatSize(bytes) {
  if (bytes < 1000) return plural(bytes, "byte");
  let [rest, unit] = [bytes / 1000, 1];
  while (rest >= 1000 && unit < UNITS.length - 1) [rest, unit] = [rest / 1000, unit + 1];
  return `${Number(rest.toPrecision(3))} ${UNITS[unit]}B`;
}

/** How long ago: microseconds UTC against a Date.now(). */
export function formatAge(micros, now) {
  const seconds = Math.max(0, now / 1000 - micros / 1e6);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  for (const [size, word] of [[604800, "w"], [86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${word}`;
  }
  return "";
}

/** How long something takes, in its two largest units. */
export function formatDuration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${two(whole % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${two(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
}

/** The same, where seconds beside minutes would claim too much. */
export function formatRough(seconds) {
  return seconds < 60 || seconds >= 3600 ? formatDuration(seconds) : `${Math.round(seconds / 60)} min`;
}

/** US dollars: cents, and of less than one its first digits. */
export function formatCost(dollars) {
  if (dollars === 0 || dollars >= 0.01) return `$${dollars.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  return `$${Number(dollars.toPrecision(2))}`;
}

/** The moment, as the reader's clock has it. */
export function formatMoment(micros) {
  return new Date(micros / 1000).toLocaleString();
}
