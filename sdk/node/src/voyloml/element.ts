/** Elements of VoyloML while they are built: what may not stand somewhere is refused where it is put there. */

import { fitForXml, inAttribute, inText, stripped, VoyloMLError } from "./escapes.js";
import { Speech } from "./speech.js";
import { lengthOf, problem, shown, type ValueType } from "./values.js";

export interface AttributeSpec {
  readonly name: string;
  readonly of: ValueType;
  readonly meaning: string;
  readonly required?: boolean;
}

export interface ElementSpec {
  /** The text: what it must be, and the attribute that makes it needless. */
  readonly content?: { readonly of: ValueType; readonly meaning: string; readonly unless?: string };
  readonly attributes: readonly AttributeSpec[];
  readonly children: Readonly<Record<string, { readonly most?: number; readonly alone?: boolean }>>;
  readonly needsChild?: string;
  /** SSML may stand in the text. */
  readonly markup?: boolean;
}

type Given = string | number | boolean | readonly string[] | Readonly<Record<string, string>>;

const DOCUMENT_BYTES = 262_144;
const DOCUMENT_ELEMENTS = 200;
const DOCUMENT_DEPTH = 6;

/** One element and everything inside it. */
export class Element {
  readonly name: string;
  readonly #spec: ElementSpec;
  readonly #attributes: ReadonlyMap<string, string>;
  readonly #text: string | Speech | undefined;
  readonly #children: Element[] = [];

  /** Throws VoyloMLError for an attribute or a text that the linter would not take. */
  constructor(name: string, spec: ElementSpec, text?: string | Speech, options?: object) {
    this.name = name;
    this.#spec = spec;
    this.#attributes = attributesOf(name, spec, options ?? {});
    this.#text = text === undefined ? undefined : this.#checkedText(text);
  }

  /** Puts `child` at the end. Throws VoyloMLError where it may not stand here. */
  append(child: Element): void {
    const rule = this.#spec.children[child.name];
    if (rule === undefined) throw new VoyloMLError(`<${child.name}> is not allowed in <${this.name}>`);
    if (this.#text !== undefined) throw new VoyloMLError(`<${this.name}> holds either text or elements, not both`);
    const alone = [child, ...this.#children].find((each) => this.#spec.children[each.name]?.alone === true);
    const same = this.#children.filter((each) => each.name === child.name).length;
    if (rule.most !== undefined && same >= rule.most) {
      throw new VoyloMLError(`<${this.name}> may contain only one <${child.name}>`);
    }
    if (alone !== undefined && this.#children.length > 0) {
      throw new VoyloMLError(`<${alone.name}> must be the only element in <${this.name}>`);
    }
    this.#children.push(child);
  }

  /** The document. Throws VoyloMLError where something is missing, or it is over the engine's limits. */
  document(): string {
    const count = this.#count();
    if (count > DOCUMENT_ELEMENTS) {
      throw new VoyloMLError(`A document has at most ${DOCUMENT_ELEMENTS} elements, not ${count}`);
    }
    if (this.#depth() > DOCUMENT_DEPTH) throw new VoyloMLError(`elements nest at most ${DOCUMENT_DEPTH} deep`);
    const text = `<?xml version="1.0" encoding="UTF-8"?>${this.#xml()}`;
    const bytes = new TextEncoder().encode(text).length;
    if (bytes > DOCUMENT_BYTES) throw new VoyloMLError(`A document has at most ${DOCUMENT_BYTES} bytes, not ${bytes}`);
    return text;
  }

  #count(): number {
    const marks = this.#text instanceof Speech ? this.#text.count : 0;
    return this.#children.reduce((sum, child) => sum + child.#count(), 1 + marks);
  }

  #depth(): number {
    const marks = this.#text instanceof Speech ? this.#text.depth : 0;
    return 1 + Math.max(marks, ...this.#children.map((child) => child.#depth()));
  }

  #xml(): string {
    this.#checkComplete();
    const attributes = [...this.#attributes].map(([name, value]) => ` ${name}="${inAttribute(value)}"`).join("");
    const children = this.#children.map((child) => child.#xml()).join("");
    const inside =
      this.#text === undefined ? children : this.#text instanceof Speech ? this.#text.xml() : inText(this.#text);
    return inside === "" ? `<${this.name}${attributes}/>` : `<${this.name}${attributes}>${inside}</${this.name}>`;
  }

  #checkComplete(): void {
    const { content, needsChild } = this.#spec;
    if (this.#text !== undefined) return;
    if (needsChild !== undefined && (content === undefined || this.#children.length > 0)) {
      if (this.#children.some((child) => child.name === needsChild)) return;
      throw new VoyloMLError(`<${this.name}> must contain a <${needsChild}>`);
    }
    if (content === undefined || this.#children.length > 0) return;
    if (content.unless !== undefined && this.#attributes.has(content.unless)) return;
    throw new VoyloMLError(`<${this.name}> must contain ${content.meaning}`);
  }

  #checkedText(given: string | Speech): string | Speech {
    const { content, markup } = this.#spec;
    const label = `the text of <${this.name}>`;
    const speech = markup === true && given instanceof Speech ? given : undefined;
    const text = stripped(fitForXml(label, speech === undefined ? given : speech.plain));
    if (content === undefined) {
      throw new VoyloMLError(`text is not allowed directly in <${this.name}>: ${shown(text)}`);
    }
    if (text === "") {
      if (speech !== undefined && speech.count > 0) return speech;
      throw new VoyloMLError(`<${this.name}> must contain ${content.meaning}`);
    }
    const fault = problem(label, content.of, text);
    if (fault === undefined) return speech ?? text;
    if (content.of.type !== "text") throw new VoyloMLError(fault);
    throw new VoyloMLError(`${label} has at most ${content.of.most} characters, not ${lengthOf(text)}`);
  }
}

/** The attributes given, in the order of the verb table. */
function attributesOf(element: string, spec: ElementSpec, options: object): ReadonlyMap<string, string> {
  if (typeof options !== "object" || Array.isArray(options)) {
    throw new VoyloMLError(`The options of <${element}> must be an object, not ${shown(String(options))}`);
  }
  const given = new Map(Object.entries(options).filter(([, value]) => value !== undefined));
  for (const name of given.keys()) {
    if (!spec.attributes.some((attribute) => attribute.name === name)) {
      const near = spec.attributes.find((attribute) => attribute.name.toLowerCase() === name.toLowerCase());
      const hint = near === undefined ? "" : `; did you mean ${near.name}?`;
      throw new VoyloMLError(`<${element}> has no attribute ${shown(name)}${hint}`);
    }
  }
  const attributes = new Map<string, string>();
  for (const { name, of, meaning, required } of spec.attributes) {
    const value = given.get(name) as Given | undefined;
    if (value === undefined) {
      if (required === true) throw new VoyloMLError(`${name} is required: ${meaning}`);
      continue;
    }
    const text = stripped(fitForXml(name, written(name, value)));
    const fault = problem(name, of, text);
    if (fault !== undefined) throw new VoyloMLError(fault);
    attributes.set(name, text);
  }
  return attributes;
}

function written(name: string, value: Given): string {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return value.join(" ");
  if (typeof value !== "object" || value === null) {
    throw new VoyloMLError(`${name} must not be ${value === null ? "null" : typeof value}`);
  }
  const pairs = Object.entries(value as Record<string, string>);
  const comma = pairs.find(([, each]) => String(each).includes(","));
  if (comma !== undefined) throw new VoyloMLError(`${name}: the value of ${comma[0]} must not contain a comma`);
  return pairs.map(([header, each]) => `${header}=${each}`).join(",");
}
