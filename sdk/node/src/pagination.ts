/** Lists as async iterators, whether the engine counts pages or goes back from a cursor. */

import type { Request, RequestOptions, Transport } from "./transport.js";

interface Envelope<T> {
  data: T[];
  pagination: { page: number; limit: number; totalItems: number; totalPages: number };
}

/** One page of a list. */
export interface Page<T> {
  data: T[];
  /** Where the list is counted: the page, and how much there is. */
  pagination?: Envelope<T>["pagination"];
}

/**
 * A list, asked for page by page while it is read.
 *
 *     for await (const number of client.numbers.list()) console.log(number.e164);
 */
export class List<T> implements AsyncIterable<T> {
  readonly #transport: Transport;
  readonly #request: Request;
  readonly #options: RequestOptions | undefined;
  readonly #cursor: string | undefined;

  /** `cursor` is the member of an item that goes into the query as `before`; undefined for counted pages. */
  constructor(transport: Transport, request: Request, options?: RequestOptions, cursor?: string) {
    this.#transport = transport;
    this.#request = request;
    this.#options = options;
    this.#cursor = cursor;
  }

  /** Every item from the first page asked for to the end. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for await (const page of this.pages()) yield* page.data;
  }

  /** The pages, none of them empty. */
  async *pages(): AsyncGenerator<Page<T>, void, undefined> {
    let query = { ...this.#request.query } as Record<string, string | number | boolean | undefined>;
    for (;;) {
      const page = await this.#page(query);
      if (page.data.length > 0) yield page;
      if (page.pagination === undefined) {
        const last = page.data.at(-1) as Record<string, string> | undefined;
        if (last === undefined || this.#cursor === undefined) return;
        query = { ...query, before: last[this.#cursor] };
      } else {
        if (page.data.length === 0 || page.pagination.page >= page.pagination.totalPages) return;
        query = { ...query, page: page.pagination.page + 1 };
      }
    }
  }

  /** The one page that the query names, by default the first. */
  first(): Promise<Page<T>> {
    return this.#page(this.#request.query);
  }

  /** All items at once, or as many as `most`. */
  async toArray(most = Infinity): Promise<T[]> {
    const items: T[] = [];
    if (most <= 0) return items;
    for await (const item of this) {
      items.push(item);
      if (items.length >= most) break;
    }
    return items;
  }

  async #page(query: object | undefined): Promise<Page<T>> {
    const request = query === undefined ? this.#request : { ...this.#request, query };
    const answer = await this.#transport.request<T[] | Envelope<T>>(request, this.#options);
    return Array.isArray(answer) ? { data: answer } : answer;
  }
}
