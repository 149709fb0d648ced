/** Lines of logs as plain text: what steers a terminal is left out. */

// CSI, OSC (up to BEL or ST; also cut short) and other escape sequences, https://www.ecma-international.org/publications-and-standards/standards/ecma-48/
const ESCAPES = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|\x9b[0-?]*[ -/]*[@-~]/g;
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** The line as it stands at its end: of a bar that is drawn again and again over itself, the latest. */
export function plainLine(line) {
  const text = line.replace(ESCAPES, "").replace(CONTROLS, "");
  const parts = text.split("\r").filter(Boolean);
  return parts.at(-1) ?? "";
}
