/** Requests over fetch: headers, time-outs, and repetition of what may safely be repeated. */

import { randomUUID } from "node:crypto";

import { apiError, VoyloApiError, VoyloConfigurationError, VoyloNetworkError, VoyloTimeoutError } from "./errors.js";

export interface VoyloClientOptions {
  /**
   * The API key; by default `VOYLO_API_KEY`. `null` makes a client without a key, for `auth.login`: it keeps the
   * session's cookie and sends it with each request.
   */
  apiKey?: string | null;
  /** Sent as `X-Workspace-Id` with each request; by default `VOYLO_WORKSPACE_ID`, else the key decides. */
  workspaceId?: string;
  /** Where the engine is, without `/v1`; by default `VOYLO_API_URL`. */
  baseUrl?: string;
  /** Milliseconds that one attempt may take. Default: 30000 */
  timeoutMs?: number;
  /** How often a request that failed is repeated, where repeating is safe. Default: 2 */
  maxRetries?: number;
  /** Used instead of the runtime's fetch. */
  fetch?: typeof fetch;
}

/** What may be set for one request. */
export interface RequestOptions {
  /** Milliseconds that one attempt may take. */
  timeoutMs?: number;
  /** How often it is repeated, where repeating is safe. */
  maxRetries?: number;
  /** Sent as `Idempotency-Key`; what creates something makes one by itself. */
  idempotencyKey?: string;
  /** Ends the request; it is then rejected with the signal's reason. */
  signal?: AbortSignal;
}

export type QueryValue = string | number | boolean | undefined;

/** A request as the resources describe it. */
export interface Request {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From `/v1` on, percent-encoded. */
  path: string;
  query?: object;
  body?: unknown;
  /** How the answer is read. Default: json; an empty answer is `undefined`. */
  answer?: "json" | "text" | "bytes";
  /** Carries an `Idempotency-Key`, so that it may be repeated although it creates something. */
  idempotencyKey?: boolean;
}

const TIMEOUT_MS = 30_000;
const MAX_RETRIES = 2;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
/** A longer `Retry-After` is the caller's to wait for. */
const LONGEST_RETRY_AFTER = 60;
const REPEATABLE = new Set(["GET", "PUT", "DELETE"]);
const TRANSIENT = new Set([500, 502, 503, 504]);
const SESSION_COOKIE = "voylo_session";
/** The longest time a timer of the runtime can be set to. */
const LONGEST_TIMER_MS = 2_147_483_647;

export class Transport {
  readonly #apiKey: string | null;
  readonly #workspaceId: string | undefined;
  readonly #baseUrl: string;
  readonly #timeoutMs: number;
  readonly #maxRetries: number;
  readonly #fetch: typeof fetch;
  #session: string | undefined;

  constructor(options: VoyloClientOptions = {}) {
    const environment = process.env;
    const apiKey = options.apiKey === undefined ? environment["VOYLO_API_KEY"] : options.apiKey;
    if (apiKey === undefined || apiKey === "") {
      throw new VoyloConfigurationError("No API key: pass apiKey or set VOYLO_API_KEY");
    }
    const baseUrl = options.baseUrl ?? environment["VOYLO_API_URL"];
    if (!baseUrl) throw new VoyloConfigurationError("No base URL: pass baseUrl or set VOYLO_API_URL");
    if (!/^https?:\/\/[^/?#]+[^?#]*$/i.test(baseUrl) || !URL.canParse(baseUrl)) {
      throw new VoyloConfigurationError(`baseUrl must be an http or https URL, without a query: ${baseUrl}`);
    }
    this.#apiKey = apiKey;
    this.#workspaceId = (options.workspaceId ?? environment["VOYLO_WORKSPACE_ID"]) || undefined;
    this.#baseUrl = baseUrl.replace(/\/+$/, "").replace(/\/v1$/, "");
    this.#timeoutMs = checkedTimeout(options.timeoutMs ?? TIMEOUT_MS);
    this.#maxRetries = checkedRetries(options.maxRetries ?? MAX_RETRIES);
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
  }

  /**
   * The answer to one request, repeated with back-off where that is safe: GET, PUT and DELETE, and POST with a key
   * that the engine knows it by; after 429, which did nothing, any.
   */
  async request<T>(request: Request, options: RequestOptions = {}): Promise<T> {
    const maxRetries = checkedRetries(options.maxRetries ?? this.#maxRetries);
    const timeoutMs = checkedTimeout(options.timeoutMs ?? this.#timeoutMs);
    const key = options.idempotencyKey ?? (request.idempotencyKey === true ? randomUUID() : undefined);
    const repeatable = REPEATABLE.has(request.method) || request.idempotencyKey === true;
    let unanswered = false;
    for (let attempt = 0; ; attempt += 1) {
      options.signal?.throwIfAborted();
      try {
        return await this.#attempt<T>(request, key, timeoutMs, options.signal);
      } catch (error) {
        // An earlier attempt whose answer was lost has deleted it.
        if (unanswered && request.method === "DELETE" && error instanceof VoyloApiError && error.status === 404) {
          return undefined as T;
        }
        const wait = waitMs(error, attempt, repeatable, key !== undefined);
        if (wait === undefined || attempt >= maxRetries) throw error;
        unanswered ||= error instanceof VoyloNetworkError;
        await sleep(wait, options.signal);
      }
    }
  }

  async #attempt<T>(
    request: Request,
    key: string | undefined,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const init: RequestInit = {
        method: request.method,
        headers: this.#headers(request, key),
        // A POST that is redirected would go on as GET.
        redirect: "error",
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      };
      if (request.body !== undefined) init.body = JSON.stringify(request.body);
      const response = await this.#fetch(this.#url(request), init);
      if (!response.ok) throw apiError(response.status, parsed(await response.text()), response.headers);
      this.#keepSession(response.headers);
      return await read<T>(response, request.answer ?? "json");
    } catch (error) {
      if (error instanceof VoyloApiError || error instanceof VoyloNetworkError) throw error;
      signal?.throwIfAborted();
      const what = `${request.method} ${request.path}`;
      if (deadline.aborted) throw new VoyloTimeoutError(`${what}: no answer within ${timeoutMs} ms`, { cause: error });
      throw new VoyloNetworkError(`${what}: ${reasonOf(error)}`, { cause: error });
    }
  }

  #url(request: Request): string {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries((request.query ?? {}) as Record<string, QueryValue>)) {
      if (value !== undefined) query.append(name, String(value));
    }
    const text = query.toString();
    return `${this.#baseUrl}${request.path}${text === "" ? "" : `?${text}`}`;
  }

  #headers(request: Request, key: string | undefined): Record<string, string> {
    const headers: Record<string, string> = { Accept: "application/json, */*;q=0.5", "User-Agent": "voylo-node" };
    if (this.#apiKey !== null) headers["Authorization"] = `Bearer ${this.#apiKey}`;
    else if (this.#session !== undefined) headers["Cookie"] = `${SESSION_COOKIE}=${this.#session}`;
    if (this.#workspaceId !== undefined) headers["X-Workspace-Id"] = this.#workspaceId;
    if (request.body !== undefined) headers["Content-Type"] = "application/json";
    if (key !== undefined) headers["Idempotency-Key"] = key;
    return headers;
  }

  #keepSession(headers: Headers): void {
    if (this.#apiKey !== null) return;
    for (const cookie of headers.getSetCookie()) {
      const value = new RegExp(`^${SESSION_COOKIE}=([^;]*)`).exec(cookie)?.[1];
      if (value !== undefined) this.#session = value === "" ? undefined : value;
    }
  }
}

/** The base of all resources. */
export class Resource {
  /** @internal */
  protected readonly transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.transport = transport;
  }
}

/** A path with its parameters percent-encoded. Throws a TypeError for a parameter that would name another path. */
export function path(parts: TemplateStringsArray, ...parameters: string[]): string {
  return parts.reduce((before, part, index) => {
    const parameter = parameters[index - 1];
    if (typeof parameter !== "string" || parameter === "" || parameter === "." || parameter === "..") {
      throw new TypeError(`An id must be a non-empty string, not ${JSON.stringify(parameter)}`);
    }
    return before + encodeURIComponent(parameter) + part;
  });
}

async function read<T>(response: Response, answer: "json" | "text" | "bytes"): Promise<T> {
  if (response.status === 204) return undefined as T;
  if (answer === "bytes") return new Uint8Array(await response.arrayBuffer()) as T;
  const text = await response.text();
  return (answer === "text" ? text : JSON.parse(text)) as T;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Milliseconds to wait before the next attempt; undefined where there must be none. */
function waitMs(error: unknown, attempt: number, repeatable: boolean, keyed: boolean): number | undefined {
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  const backOff = longest / 2 + (Math.random() * longest) / 2;
  if (error instanceof VoyloNetworkError) return repeatable ? backOff : undefined;
  if (!(error instanceof VoyloApiError)) return undefined;
  const { status, retryAfter } = error;
  // 409 with Retry-After: the first request with this Idempotency-Key is still at work.
  const again =
    status === 429 || (repeatable && TRANSIENT.has(status)) || (keyed && status === 409 && retryAfter !== undefined);
  if (!again) return undefined;
  if (retryAfter === undefined) return backOff;
  return retryAfter > LONGEST_RETRY_AFTER ? undefined : Math.max(retryAfter * 1000, backOff);
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

function checkedTimeout(timeoutMs: number): number {
  if (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= LONGEST_TIMER_MS) return timeoutMs;
  throw new VoyloConfigurationError(`timeoutMs must be a whole number from 1 to ${LONGEST_TIMER_MS}: ${timeoutMs}`);
}

function checkedRetries(maxRetries: number): number {
  if (Number.isInteger(maxRetries) && maxRetries >= 0) return maxRetries;
  throw new VoyloConfigurationError(`maxRetries must be a whole number, 0 or more: ${maxRetries}`);
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
