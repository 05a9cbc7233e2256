/**
 * Plugins of Fastify, one for each URL:
 *
 *     app.register(action({ url: "/menu", secret }, (call) => new VoyloResponse().say("Hello")));
 *     app.register(webhook({ url: "/events", secret }, async (event) => { … }));
 *
 * Each reads bodies in its own way within its route only; the rest of the application stays as it is.
 */

import type { ActionRequest } from "./generated/actions.js";
import { statusOf, type ReceiveOptions } from "./http.js";
import { document, receiveAction, receiveEvent, type Document, type VoyloEvent } from "./received.js";
import { SIGNATURE_HEADER } from "./webhooks.js";

export interface RouteOptions extends ReceiveOptions {
  /** Where it listens, below the prefix of what it is registered with. */
  url: string;
  /** The signing secret, or several. */
  secret: string | readonly string[];
}

interface Request {
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
}

interface Reply {
  code(status: number): this;
  type(contentType: string): this;
  send(body?: string): unknown;
}

/** What is needed of a Fastify instance; the arguments are as Fastify documents them. */
export interface FastifyLike {
  removeAllContentTypeParsers(): unknown;
  addContentTypeParser(...given: unknown[]): unknown;
  route(options: unknown): unknown;
}

/** A plugin, to be registered. */
export type Plugin = (instance: FastifyLike) => Promise<void>;

/** Answers GET and POST with what the handler says a call does next; 403 where the application's secret does not sign. */
export function action(
  options: RouteOptions,
  handler: (call: ActionRequest) => Document | Promise<Document>,
): Plugin {
  return plugin(["GET", "POST"], options, async (request, body, reply) => {
    const query = request.url.split("?").slice(1).join("?");
    const header = request.headers[SIGNATURE_HEADER];
    const call = receiveAction(options.secret, body, header, { ...tolerated(options), query });
    const xml = document(await handler(call));
    return reply.code(200).type("application/xml; charset=utf-8").send(xml);
  });
}

/** Tells the handler of events and answers 204; 403 where the webhook's secret does not sign. */
export function webhook(options: RouteOptions, handler: (event: VoyloEvent) => unknown): Plugin {
  return plugin(["POST"], options, async (request, body, reply) => {
    await handler(receiveEvent(options.secret, body, request.headers[SIGNATURE_HEADER], tolerated(options)));
    return reply.code(204).send();
  });
}

function plugin(
  method: string[],
  { url }: RouteOptions,
  answer: (request: Request, body: Uint8Array, reply: Reply) => Promise<unknown>,
): Plugin {
  return async (instance) => {
    instance.removeAllContentTypeParsers();
    const asItCame = (_request: unknown, body: Buffer, done: (error: null, body: Buffer) => void): void =>
      done(null, body);
    instance.addContentTypeParser("*", { parseAs: "buffer" }, asItCame);
    instance.route({
      method,
      url,
      handler: async (request: Request, reply: Reply) => {
        const body = request.body instanceof Uint8Array ? request.body : Buffer.alloc(0);
        try {
          return await answer(request, body, reply);
        } catch (error) {
          const status = statusOf(error);
          if (status === undefined) throw error;
          return reply.code(status).type("text/plain; charset=utf-8").send((error as Error).message);
        }
      },
    });
  };
}

function tolerated({ tolerance }: ReceiveOptions): ReceiveOptions {
  return tolerance === undefined ? {} : { tolerance };
}
