/** The types of attributes and contents of VoyloML: what they take, and what is said of what they do not take.
 *
 * The rules and the words are those of the engine's linter. Values with a placeholder of a template, `{{name}}`, cannot
 * be judged and pass.
 */

export type ValueType =
  | { type: "integer"; low: number; high: number }
  | { type: "integerOr"; low: number; high: number; words: readonly string[] }
  | { type: "boolean"; true: readonly string[]; false: readonly string[] }
  | { type: "choice"; words: readonly string[]; spellings: readonly string[] }
  | { type: "words"; words: readonly string[] }
  | { type: "keys"; allowed: string; empty: boolean }
  | { type: "tones"; most: number }
  | { type: "url"; schemes: readonly string[]; relative: boolean; empty: boolean; words: readonly string[] }
  | { type: "sipUri" }
  | { type: "phoneNumber"; sip: boolean }
  | { type: "text"; most: number; least: number }
  | { type: "token"; most: number }
  | { type: "language" }
  | { type: "sipHeaders"; most: number; chars: number };

const PLACEHOLDER = /\{\{ *[A-Za-z_][A-Za-z0-9_]{0,63} *\}\}/;
const URL_CHARS = 2048;
const SHOWN_CHARS = 40;
const WRONG_WORDS_CHARS = 80;
const PHONE_FILLER = /[ .()-]/g;
const PHONE = /^\+?[1-9][0-9]{2,14}$/;
const SIP_URI = /^(?:sips?:)?[^\s@<>"]{1,256}(?:@[^\s@<>"]{1,512})?$/iu;
const LANGUAGE = /^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,8}$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/;
const UNFIT_FOR_URL = /[\x00-\x20\x7f<>"\\]/;
const HEADER_NAME = /^[A-Za-z0-9-]{1,60}$/;
const PRINTABLE = /^[\x20-\x7e]*$/;
const TOKEN = /^[^\s<>"@;,\x00-\x1f]+$/u;

/** What would be right, to follow "must be ". */
export function expected(of: ValueType): string {
  switch (of.type) {
    case "integer":
      return `${of.low} to ${of.high}`;
    case "integerOr":
      return alternatives([...of.words.map(quoted), `${of.low} to ${of.high}`]);
    case "boolean":
      return alternatives(["true", "false", ...of.true, ...of.false]);
    case "choice":
      return alternatives(of.words);
    case "words":
      return `one or more of ${of.words.join(" ")}, separated by spaces`;
    case "keys": {
      const shown = of.allowed.replace("0123456789", "0-9 ").replace("ABCD", " A-D ").replace("*#", "* #");
      return `one or more of the keys ${shown.trim().split(/\s+/).join(" ")}${of.empty ? ", or empty" : ""}`;
    }
    case "tones":
      return `up to ${of.most} of the keys 0-9 * # A-D, and w for a pause of half a second`;
    case "url": {
      const kinds = of.schemes.join(" or ");
      const article = /^[aeiouh]/.test(kinds) ? "an" : "a";
      const form = `${article} ${kinds} URL${of.relative ? ", absolute or relative" : ""}`;
      return alternatives([...of.words.map(quoted), form]) + (of.empty ? ", or empty" : "");
    }
    case "sipUri":
      return "a SIP URI such as sip:alice@example.com";
    case "phoneNumber":
      return `a phone number such as +20223456789${of.sip ? " or a SIP URI" : ""}`;
    case "text":
      return of.least > 0 ? `${of.least} to ${of.most} characters` : `at most ${of.most} characters`;
    case "token":
      return `a number or a name of at most ${of.most} characters without spaces`;
    case "language":
      return "a language tag such as en-US";
    case "sipHeaders":
      return `up to ${of.most} Name=Value pairs separated by commas`;
  }
}

/** What the linter says of `text` where `label` takes it; undefined when it is right. */
export function problem(label: string, of: ValueType, text: string): string | undefined {
  if (PLACEHOLDER.test(text)) return undefined;
  const fault = faultOf(of, text);
  if (fault === undefined) return undefined;
  if (fault !== "") return `${label} ${fault}: ${shown(text)}`;
  return `${label} must be ${expected(of)}, not ${shown(text)}`;
}

/** The text as the linter quotes it, cut where it is long. */
export function shown(text: string): string {
  const characters = [...text];
  return quoted(characters.length <= SHOWN_CHARS ? text : `${characters.slice(0, SHOWN_CHARS).join("")}…`);
}

/** Characters as the engine counts them: code points. */
export function lengthOf(text: string): number {
  return [...text].length;
}

/** undefined: right; a sentence: more precise than what is expected; empty: not what is expected. */
function faultOf(of: ValueType, text: string): string | undefined {
  switch (of.type) {
    case "integer":
      return fits(isInteger(text, of.low, of.high));
    case "integerOr":
      return fits(of.words.includes(text) || isInteger(text, of.low, of.high));
    case "boolean":
      return fits(["true", "1", "false", "0", ...of.true, ...of.false].includes(text));
    case "choice":
      return fits(of.words.includes(text) || of.spellings.includes(text));
    case "words":
      return faultOfWords(of.words, text, expected(of));
    case "keys":
      return fits((text !== "" || of.empty) && [...text].every((key) => of.allowed.includes(key)));
    case "tones":
      return fits(text.length > 0 && text.length <= of.most && /^[0-9*#A-Da-dwW]*$/.test(text));
    case "url":
      return faultOfUrl(of, text);
    case "sipUri":
      return fits(isSipUri(text));
    case "phoneNumber":
      return fits(of.sip && hasSipScheme(text) ? isSipUri(text) : PHONE.test(text.replace(PHONE_FILLER, "")));
    case "text":
      return fits(lengthOf(text) >= of.least && lengthOf(text) <= of.most);
    case "token":
      return fits(PHONE.test(text.replace(PHONE_FILLER, "")) || (lengthOf(text) <= of.most && TOKEN.test(text)));
    case "language":
      return fits(LANGUAGE.test(text));
    case "sipHeaders":
      return faultOfHeaders(of.most, of.chars, text);
  }
}

function fits(right: boolean): string | undefined {
  return right ? undefined : "";
}

function isInteger(text: string, low: number, high: number): boolean {
  return /^[0-9]{1,9}$/.test(text) && Number(text) >= low && Number(text) <= high;
}

function faultOfWords(words: readonly string[], text: string, wanted: string): string | undefined {
  const found = [...new Set(text.split(/\s+/).filter((word) => word !== ""))];
  const wrong = found.filter((word) => !words.includes(word));
  if (wrong.length > 0 && wrong.length < found.length) {
    return `must be ${wanted}; not offered are ${[...wrong.join(" ")].slice(0, WRONG_WORDS_CHARS).join("")}`;
  }
  return fits(found.length > 0 && wrong.length === 0);
}

function faultOfUrl(of: ValueType & { type: "url" }, text: string): string | undefined {
  if (of.words.includes(text) || (text === "" && of.empty)) return undefined;
  if (text === "") return "";
  if (lengthOf(text) > URL_CHARS) return `must have at most ${URL_CHARS} characters`;
  if (UNFIT_FOR_URL.test(text)) return 'must not contain spaces or any of < > " \\: write them percent-encoded';
  const scheme = SCHEME.exec(text)?.[0].slice(0, -1).toLowerCase();
  if (scheme === undefined && !text.startsWith("//")) return fits(of.relative);
  const authority = /^(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?:\/\/([^/?#]*))?/.exec(text)?.[1] ?? "";
  const [host, port] = hostAndPort(authority.slice(authority.lastIndexOf("@") + 1));
  if (host === undefined || !(port === "" || (/^[0-9]+$/.test(port) && Number(port) <= 65_535))) {
    return "must have a valid host and port";
  }
  if (scheme !== undefined && !of.schemes.includes(scheme)) return "";
  if (host === "") return "must name a host";
  return authority.includes("@") ? "must not carry a user name or password" : undefined;
}

/** The host is undefined where its brackets are wrong. */
function hostAndPort(text: string): [string | undefined, string] {
  if (/[[\]]/.test(text)) {
    const match = /^\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\](?::(.*))?$/.exec(text);
    return [match?.[1], match?.[2] ?? ""];
  }
  const colon = text.indexOf(":");
  return colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
}

function isSipUri(text: string): boolean {
  if (lengthOf(text) > URL_CHARS || !SIP_URI.test(text)) return false;
  return hasSipScheme(text) || text.includes("@");
}

function hasSipScheme(text: string): boolean {
  return /^sips?:/i.test(text);
}

function faultOfHeaders(most: number, chars: number, text: string): string | undefined {
  const pairs = text.split(",");
  for (const pair of pairs.slice(0, most + 1)) {
    const equals = pair.indexOf("=");
    const name = pair.slice(0, Math.max(equals, 0)).trim();
    const value = pair.slice(equals + 1).trim();
    if (equals < 0 || !HEADER_NAME.test(name)) return "";
    if (value.length > chars || !PRINTABLE.test(value)) {
      return `must have values of at most ${chars} printable ASCII characters`;
    }
    if (/^(?:X-)?VOYLO-/i.test(name)) {
      return "must not use names that begin with X-Voylo-: they are the engine's own";
    }
  }
  return fits(pairs.length <= most);
}

function alternatives(words: readonly string[]): string {
  return words.length === 1 ? String(words[0]) : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** In quotes, as Python writes a string. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escapes: Record<string, string> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  escapes[quote] = `\\${quote}`;
  let inside = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const escaped = escapes[character];
    if (escaped !== undefined) inside += escaped;
    else if (code < 0x20 || (code >= 0x7f && code <= 0xa0) || code === 0xad) {
      inside += `\\x${code.toString(16).padStart(2, "0")}`;
    } else inside += character;
  }
  return `${quote}${inside}${quote}`;
}
