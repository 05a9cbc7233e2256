/** SSML for `say`: how a text is spoken, as far as the engine and its speech engines know it. */

import { fitForXml, inAttribute, inText } from "./escapes.js";

/** An element, and the Speech inside. */
interface Mark {
  readonly name: string;
  readonly inside: Speech;
  readonly attributes: readonly (readonly [string, string])[];
}

/**
 * A text with marks in it, made piece by piece:
 * `new Speech("Your code is ").sayAs("1234", { interpretAs: "digits" })`.
 *
 * Each method adds an element and returns this object. What is inside an element is a text, or a Speech of its own.
 */
export class Speech {
  readonly #parts: (string | Mark)[] = [];

  constructor(text = "") {
    if (text !== "") this.text(text);
  }

  /** Adds a text, as it is: spaces around it stay. */
  text(text: string): this {
    this.#parts.push(fitForXml("the text of a Speech", text));
    return this;
  }

  /** Adds silence; `time` is such as `500ms` or `2s`. */
  break(
    options: { strength?: "none" | "x-weak" | "weak" | "medium" | "strong" | "x-strong"; time?: string } = {},
  ): this {
    return this.#add("break", "", [["strength", options.strength], ["time", options.time]]);
  }

  /** Adds what is to be stressed. */
  emphasis(inside: string | Speech, options: { level?: "strong" | "moderate" | "reduced" | "none" } = {}): this {
    return this.#add("emphasis", inside, [["level", options.level]]);
  }

  /** Adds what is in another language, such as `fr-FR`. */
  lang(inside: string | Speech, language: string): this {
    return this.#add("lang", inside, [["xml:lang", language]]);
  }

  /** Adds a paragraph. */
  p(inside: string | Speech): this {
    return this.#add("p", inside, []);
  }

  /** Adds a word with its pronunciation `ph` in an alphabet such as `ipa`. */
  phoneme(inside: string | Speech, options: { ph: string; alphabet?: string }): this {
    return this.#add("phoneme", inside, [["alphabet", options.alphabet], ["ph", options.ph]]);
  }

  /** Adds what is spoken louder, faster or higher. */
  prosody(inside: string | Speech, options: { volume?: string; rate?: string; pitch?: string } = {}): this {
    const { volume, rate, pitch } = options;
    return this.#add("prosody", inside, [["volume", volume], ["rate", rate], ["pitch", pitch]]);
  }

  /** Adds a sentence. */
  s(inside: string | Speech): this {
    return this.#add("s", inside, []);
  }

  /** Adds what is read as digits, a date, a telephone number and the like. */
  sayAs(inside: string | Speech, options: { interpretAs: string; format?: string }): this {
    return this.#add("say-as", inside, [["interpret-as", options.interpretAs], ["format", options.format]]);
  }

  /** Adds what is spoken as `alias` instead. */
  sub(inside: string | Speech, options: { alias: string }): this {
    return this.#add("sub", inside, [["alias", options.alias]]);
  }

  /** Adds a word in its grammatical role. */
  w(inside: string | Speech, options: { role?: string } = {}): this {
    return this.#add("w", inside, [["role", options.role]]);
  }

  /** The text without its marks. */
  get plain(): string {
    return this.#parts.map((part) => (typeof part === "string" ? part : part.inside.plain)).join("");
  }

  /** The number of elements. */
  get count(): number {
    return this.#marks().reduce((sum, mark) => sum + 1 + mark.inside.count, 0);
  }

  /** How many elements stand inside one another. */
  get depth(): number {
    return Math.max(0, ...this.#marks().map((mark) => 1 + mark.inside.depth));
  }

  /** What stands in `<Say>`. */
  xml(): string {
    return this.#parts.map((part) => (typeof part === "string" ? inText(part) : written(part))).join("");
  }

  #add(
    name: string,
    inside: string | Speech,
    attributes: readonly (readonly [string, string | undefined])[],
  ): this {
    const given = attributes.flatMap(([each, value]) =>
      value === undefined ? [] : [[each, fitForXml(each, value)] as const],
    );
    this.#parts.push({ name, inside: inside instanceof Speech ? inside : new Speech(inside), attributes: given });
    return this;
  }

  #marks(): Mark[] {
    return this.#parts.filter((part): part is Mark => typeof part !== "string");
  }
}

function written({ name, inside, attributes }: Mark): string {
  const shown = attributes.map(([each, value]) => ` ${each}="${inAttribute(value)}"`).join("");
  const content = inside.xml();
  return content === "" ? `<${name}${shown}/>` : `<${name}${shown}>${content}</${name}>`;
}
