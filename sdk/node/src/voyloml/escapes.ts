/** Text as XML carries it. */

/** What would not be a valid document; the message is the linter's. */
export class VoyloMLError extends Error {
  override name = "VoyloMLError";
}

// Characters that XML 1.0 cannot carry, and halves of surrogate pairs.
const UNFIT_FOR_XML = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/u;
// What the engine takes for space around a text; trim() has U+FEFF instead of U+0085.
const SPACES = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const SPACES_AROUND = new RegExp(`^${SPACES}|${SPACES}$`, "g");

/** The text itself. Throws VoyloMLError where it is none, or has a character that XML has no place for. */
export function fitForXml(label: string, text: unknown): string {
  if (typeof text !== "string") throw new VoyloMLError(`${label} must be a string, not ${typeof text}`);
  if (UNFIT_FOR_XML.test(text)) throw new VoyloMLError(`${label} contains a character that XML cannot carry`);
  return text;
}

/** The text without the space around it. */
export function stripped(text: string): string {
  return text.replace(SPACES_AROUND, "");
}

/** The text, for the inside of an element. */
export function inText(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/\r/g, "&#13;");
}

/** The text, for between double quotes. */
export function inAttribute(text: string): string {
  return inText(text).replace(/"/g, "&quot;").replace(/\n/g, "&#10;").replace(/\t/g, "&#9;");
}
