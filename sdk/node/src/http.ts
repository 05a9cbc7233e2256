/**
 * Listeners for requests of the engine, for `node:http` and whatever passes its requests on: Express, Connect, Restify.
 *
 *     app.post("/menu", action(secret, (call) => new VoyloResponse().say("Hello")));
 *     app.post("/events", webhook(secret, async (event) => { … }));
 *
 * They read the body themselves: put them before parsers of bodies such as `express.json()`, or use `express.raw`.
 */

import type { IncomingMessage, ServerResponse } from "node:http";

import { VoyloReceivedError, VoyloSignatureError } from "./errors.js";
import type { ActionRequest } from "./generated/actions.js";
import { document, receiveAction, receiveEvent, type Document, type VoyloEvent } from "./received.js";
import { SIGNATURE_HEADER } from "./webhooks.js";

/** The longest body that is read. */
const BODY_BYTES = 1_048_576;

export interface ReceiveOptions {
  /** Seconds that a signature may be old, or early. Default: 300 */
  tolerance?: number;
}

/**
 * What Express and `http.createServer` call for each request; the promise never rejects. Errors of the handler go to
 * `next`, and where there is none the answer is 500.
 */
export type Listener = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error: unknown) => void,
) => Promise<void>;

/**
 * A listener that answers with what the handler says a call does next.
 *
 * `secret` is the application's signing secret, or several. A request that it does not sign is answered with 403.
 */
export function action(
  secret: string | readonly string[],
  handler: (call: ActionRequest) => Document | Promise<Document>,
  options: ReceiveOptions = {},
): Listener {
  return listener(async (request, body, response) => {
    const query = (request.url ?? "").split("?").slice(1).join("?");
    const call = receiveAction(secret, body, request.headers[SIGNATURE_HEADER], { ...options, query });
    const xml = document(await handler(call));
    response.writeHead(200, { "Content-Type": "application/xml; charset=utf-8" }).end(xml);
  });
}

/**
 * A listener that tells the handler of events; the answer is 204.
 *
 * `secret` is that of the webhook, or of the application whose finished URL it is. A request that it does not sign is
 * answered with 403. When the handler throws, the engine sends the event again later.
 */
export function webhook(
  secret: string | readonly string[],
  handler: (event: VoyloEvent) => unknown,
  options: ReceiveOptions = {},
): Listener {
  return listener(async (request, body, response) => {
    await handler(receiveEvent(secret, body, request.headers[SIGNATURE_HEADER], options));
    response.writeHead(204).end();
  });
}

/** The HTTP status that refuses what was received; undefined for an error of another kind. @internal */
export function statusOf(error: unknown): number | undefined {
  if (error instanceof VoyloSignatureError) return 403;
  if (error instanceof TooLargeError) return 413;
  return error instanceof VoyloReceivedError ? 400 : undefined;
}

class TooLargeError extends VoyloReceivedError {}

function listener(
  answer: (request: IncomingMessage, body: Uint8Array, response: ServerResponse) => Promise<void>,
): Listener {
  return async (request, response, next) => {
    try {
      await answer(request, await bodyOf(request), response);
    } catch (error) {
      const status = statusOf(error);
      if (status === undefined && next !== undefined) return next(error);
      // What is left of a body that is too large is not read.
      const headers = { "Content-Type": "text/plain; charset=utf-8", ...(status === 413 && { Connection: "close" }) };
      response.writeHead(status ?? 500, headers);
      response.end(status === undefined ? "The handler failed" : (error as Error).message);
    }
    return undefined;
  };
}

/** The body as it came. Throws an Error where something has read it before and kept it in another form. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const { body, rawBody } = request as { body?: unknown; rawBody?: unknown };
  for (const kept of [rawBody, body]) {
    if (typeof kept === "string") return Buffer.from(kept);
    if (kept instanceof Uint8Array) return kept;
  }
  if (request.readableEnded || (body !== undefined && body !== null && request.readableDidRead)) {
    throw new Error("The body was parsed before the signature could be checked: put this listener before the parser");
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES) throw new TooLargeError(`The body has more than ${BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
