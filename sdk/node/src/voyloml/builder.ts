/** What every builder of VoyloML can do; the verbs are generated from the engine's table. */

import { Element, type ElementSpec } from "./element.js";
import type { Speech } from "./speech.js";

/** A builder of one element. Elements without children are added and the builder is returned, for chaining. */
export abstract class Builder {
  /** @internal */
  protected readonly element: Element;
  readonly #root: Element;

  /** @internal */
  constructor(element: Element, root: Element = element) {
    this.element = element;
    this.#root = root;
  }

  /** The whole document as XML, also from a nested builder. Throws VoyloMLError where something is missing. */
  toString(): string {
    return this.#root.document();
  }

  /** @internal */
  protected add(name: string, spec: ElementSpec, text?: string | Speech, options?: object): this {
    this.element.append(new Element(name, spec, text, options));
    return this;
  }

  /** @internal */
  protected open<B extends Builder>(
    Nested: new (element: Element, root: Element) => B,
    name: string,
    spec: ElementSpec,
    options?: object,
  ): B {
    const element = new Element(name, spec, undefined, options);
    this.element.append(element);
    return new Nested(element, this.#root);
  }
}
