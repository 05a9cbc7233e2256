/**
 * What a server receives from the engine: events at webhooks and finished URLs, requests at action URLs.
 *
 * Nothing here knows a web framework: `@voylo/sdk/http`, which is for Express too, and `@voylo/sdk/fastify` do.
 */

import { VoyloReceivedError, VoyloSignatureError } from "./errors.js";
import { PARAMETERS, type ActionRequest } from "./generated/actions.js";
import { EVENT_NAMES, type KnownEvent } from "./generated/events.js";
import { VoyloResponse } from "./generated/voyloml.js";
import { Builder } from "./voyloml/builder.js";
import { verifySignature, type VerifyOptions } from "./webhooks.js";

/** An event that this version has no type for. */
export interface UnknownEvent {
  event: "unknown";
  name: string;
  event_id: string;
  /** All of it. */
  payload: Record<string, unknown>;
}

/** Everything that a webhook may be sent; `event` tells the types apart. */
export type VoyloEvent = KnownEvent | UnknownEvent;

/** What an action request may be answered with; nothing is an empty document, which hangs up. */
export type Document = Builder | string | null | undefined | void;

/**
 * The event in the body of a webhook request. Throws VoyloReceivedError. It does not look at the signature: see
 * `receiveEvent`.
 */
export function parseEvent(body: string | Uint8Array): VoyloEvent {
  let payload: unknown;
  try {
    payload = JSON.parse(textOf(body));
  } catch {
    throw new VoyloReceivedError("The body is not JSON");
  }
  const { event, event_id } = (payload ?? {}) as Record<string, unknown>;
  if (typeof event !== "string" || typeof event_id !== "string") {
    throw new VoyloReceivedError("The body is no event: it has no event and event_id");
  }
  if ((EVENT_NAMES as readonly string[]).includes(event)) return payload as KnownEvent;
  return { event: "unknown", name: event, event_id, payload: payload as Record<string, unknown> };
}

/**
 * The event in the body, when `header`, its `Voylo-Signature`, is right as `verifySignature` says.
 *
 * `secret` is that of the webhook; of a finished URL, the application's. The same event may come more than once:
 * remember `event_id`. Throws VoyloSignatureError and VoyloReceivedError.
 */
export function receiveEvent(
  secret: string | readonly string[],
  body: string | Uint8Array,
  header: string | readonly string[] | null | undefined,
  options?: VerifyOptions,
): VoyloEvent {
  check(secret, body, header, options);
  return parseEvent(body);
}

/**
 * The request in a form, which is the body of a POST, and of a GET its query. Throws VoyloReceivedError. It does not
 * look at the signature: see `receiveAction`.
 */
export function parseAction(form: string | Uint8Array): ActionRequest {
  const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(textOf(form))) parameters[name] = value;
  const request: Record<string, unknown> = {};
  for (const name of PARAMETERS) {
    if (parameters[name] !== undefined) request[name.slice(0, 1).toLowerCase() + name.slice(1)] = parameters[name];
  }
  if (request["callSid"] === undefined || request["step"] === undefined) {
    throw new VoyloReceivedError("This is no request for a document: it has no CallSid and the like");
  }
  const variables: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(parameters)) {
    if (name.startsWith("var_")) variables[name.slice(4)] = value;
  }
  return { ...request, variables, parameters } as unknown as ActionRequest;
}

/**
 * The request in the body, or in the query where there is no body, when `header` signs the body.
 *
 * `secret` is the application's signing secret. With GET nothing but the time is signed, for the body is empty. Throws
 * VoyloSignatureError and VoyloReceivedError.
 */
export function receiveAction(
  secret: string | readonly string[],
  body: string | Uint8Array,
  header: string | readonly string[] | null | undefined,
  options: VerifyOptions & { query?: string } = {},
): ActionRequest {
  check(secret, body, header, options);
  return parseAction(body.length > 0 ? body : (options.query ?? ""));
}

/** The XML to answer an action request with. Throws VoyloMLError and TypeError. */
export function document(answer: Document): string {
  if (answer === undefined || answer === null) return new VoyloResponse().toString();
  if (answer instanceof Builder || typeof answer === "string") return answer.toString();
  throw new TypeError(`An action request is answered with a VoyloResponse, not ${typeof answer}`);
}

function check(
  secret: string | readonly string[],
  body: string | Uint8Array,
  header: string | readonly string[] | null | undefined,
  options?: VerifyOptions,
): void {
  if (header === undefined || header === null) throw new VoyloSignatureError("The request is not signed");
  if (!verifySignature(secret, body, header, options)) {
    throw new VoyloSignatureError("The signature is not right, or too old");
  }
}

function textOf(bytes: string | Uint8Array): string {
  return typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes);
}
