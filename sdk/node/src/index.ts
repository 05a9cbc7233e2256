/** The Voylo engine's API, its webhooks, and the documents that tell a call what to do. */

export { VoyloClient } from "./client.js";
export * from "./errors.js";
export type * from "./generated/models.js";
export * from "./generated/resources.js";
export * from "./generated/voyloml.js";
export { List, type Page } from "./pagination.js";
export type { Request, RequestOptions, VoyloClientOptions } from "./transport.js";
export { VoyloMLError } from "./voyloml/element.js";
export { SIGNATURE_HEADER, verifySignature, type VerifyOptions } from "./webhooks.js";
