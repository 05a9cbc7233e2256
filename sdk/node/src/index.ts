/** The Voylo engine's API, its webhooks, and the documents that tell a call what to do. */

export { VoyloClient } from "./client.js";
export * from "./errors.js";
export type { ActionRequest } from "./generated/actions.js";
export * from "./generated/events.js";
export type * from "./generated/models.js";
export * from "./generated/resources.js";
export * from "./generated/voyloml.js";
export { List, type Page } from "./pagination.js";
export type { Request, RequestOptions, VoyloClientOptions } from "./transport.js";
export {
  document,
  parseAction,
  parseEvent,
  receiveAction,
  receiveEvent,
  type Document,
  type UnknownEvent,
  type VoyloEvent,
} from "./received.js";
export type { Builder } from "./voyloml/builder.js";
export { VoyloMLError } from "./voyloml/escapes.js";
export { Speech } from "./voyloml/speech.js";
export { SIGNATURE_HEADER, verifySignature, type VerifyOptions } from "./webhooks.js";
