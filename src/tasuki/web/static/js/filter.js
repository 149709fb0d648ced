/**
 * The filter over runs: words, all of which must match.
 *
 *   otter              name, id, tag, group or notes contain it
 *   tag:base  status:failed  group:a  name:lr     that field does
 *   loss<0.1  loss.min<0.1                        a metric's last, or min, max, first, n
 *   -word                                         not that
 */

const COMPARISON = /^(.+?)(<=|>=|!=|<|>|=)(-?[\d.]+(?:e[+-]?\d+)?|nan)$/i;
const COMPARE = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => (Number.isNaN(b) ? Number.isNaN(a) : a === b),
  "!=": (a, b) => (Number.isNaN(b) ? !Number.isNaN(a) : a !== b),
};
const PARTS = ["min", "max", "first", "last", "n"];
const FIELDS = {
  tag: (run, word) => run.tags.some((tag) => tag.toLowerCase() === word),
  status: (run, word) => run.status.startsWith(word),
  group: (run, word) => (run.group ?? "").toLowerCase().includes(word),
  name: (run, word) => run.name.toLowerCase().includes(word),
};

function parseWord(text) {
  const negated = text.length > 1 && text.startsWith("-");
  const word = negated ? text.slice(1) : text;
  const comparison = COMPARISON.exec(word);
  if (comparison) {
    const [, left, sign, right] = comparison;
    const dot = left.lastIndexOf(".");
    const part = PARTS.includes(left.slice(dot + 1)) && dot > 0 ? left.slice(dot + 1) : "last";
    const metric = part === left.slice(dot + 1) && dot > 0 ? left.slice(0, dot) : left;
    return { negated, metric, part, compare: COMPARE[sign], number: Number(right.toLowerCase() === "nan" ? NaN : right) };
  }
  const colon = word.indexOf(":");
  const field = FIELDS[word.slice(0, colon)];
  if (field) return { negated, test: (run) => field(run, word.slice(colon + 1).toLowerCase()) };
  const lower = word.toLowerCase();
  return { negated, test: (run) => run.haystack.includes(lower) };
}

/** Parse a filter into `{metrics, matches(run, summaries)}`: the metrics that it compares, and whether it takes a run. */
export function parseFilter(text) {
  const words = text.split(/\s+/).filter(Boolean).map(parseWord);
  const metrics = [...new Set(words.map((word) => word.metric).filter(Boolean))];
  const passes = (word, run, summaries) => {
    if (word.test) return word.test(run);
    const summary = summaries?.get(word.metric);
    return summary !== undefined && word.compare(summary[word.part], word.number);
  };
  return { metrics, matches: (run, summaries) => words.every((word) => passes(word, run, summaries) !== word.negated) };
}
