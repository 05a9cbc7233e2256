/** What can go wrong with a request: answers that are errors, a class for each status, and no answer at all. */

/** One field that a request had wrong. */
export interface FieldError {
  /** Dotted path, such as `destinations.0.uri`. */
  field: string;
  message: string;
}

/** The body of every error answer of the API. */
export interface ErrorBody {
  statusCode: number;
  error: string;
  message: string | FieldError[];
  details?: Record<string, string[]>;
}

/** Whatever this package throws about a request is one of these. */
export class VoyloError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The API answered with an error. Each status has its own subclass. */
export class VoyloApiError extends VoyloError {
  /** The HTTP status. */
  readonly status: number;
  /** The parsed body, or the text where it is not JSON (a proxy's page, say). */
  readonly body: unknown;
  /** The wrong fields of a 400; empty for everything else. */
  readonly fields: readonly FieldError[];
  /** The same by field. */
  readonly details: Readonly<Record<string, readonly string[]>>;
  /** `X-Request-Id`, which names the request in the engine's logs. */
  readonly requestId: string | undefined;
  /** `Retry-After` in seconds. */
  readonly retryAfter: number | undefined;

  constructor(status: number, body: unknown, headers: Headers = new Headers()) {
    const fields = fieldErrors(body);
    super(`${status} ${messageOf(body, fields)}`);
    this.status = status;
    this.body = body;
    this.fields = fields;
    this.details = detailsOf(fields);
    this.requestId = headers.get("x-request-id") ?? undefined;
    const wait = headers.get("retry-after");
    this.retryAfter = wait !== null && /^\d{1,9}$/.test(wait) ? Number(wait) : undefined;
  }
}

/** 400: missing, malformed or out-of-range input; see `fields`. */
export class BadRequestError extends VoyloApiError {}
/** 401: no key, or one that is invalid, revoked or expired. */
export class UnauthorizedError extends VoyloApiError {}
/** 402: the wallet cannot cover it. */
export class PaymentRequiredError extends VoyloApiError {}
/** 403: the role does not allow it, or another workspace is named. */
export class ForbiddenError extends VoyloApiError {}
/** 404: no such thing in this workspace. */
export class NotFoundError extends VoyloApiError {}
/** 405: the path exists, the method does not. */
export class MethodNotAllowedError extends VoyloApiError {}
/** 409: exists already, is in use, or an Idempotency-Key was used with another body. */
export class ConflictError extends VoyloApiError {}
/** 413: the body is over the limit. */
export class PayloadTooLargeError extends VoyloApiError {}
/** 415: the body is not JSON. */
export class UnsupportedMediaTypeError extends VoyloApiError {}
/** 429: too many requests, calls per second or channels; see `retryAfter`. */
export class TooManyRequestsError extends VoyloApiError {}
/** 5xx: the fault is on the server's side. */
export class ServerError extends VoyloApiError {}

/** No usable answer came: connection refused, reset or cut short. `cause` is what the runtime said. */
export class VoyloNetworkError extends VoyloError {}

/** No answer within the time-out. */
export class VoyloTimeoutError extends VoyloNetworkError {}

/** Arguments or environment do not say what the client needs. */
export class VoyloConfigurationError extends VoyloError {}

/** What was received is not signed with the secret, or too old. */
export class VoyloSignatureError extends VoyloError {}

/** What was received is no event, or no request for a document. */
export class VoyloReceivedError extends VoyloError {}

const CLASSES: Readonly<Record<number, typeof VoyloApiError>> = {
  400: BadRequestError,
  401: UnauthorizedError,
  402: PaymentRequiredError,
  403: ForbiddenError,
  404: NotFoundError,
  405: MethodNotAllowedError,
  409: ConflictError,
  413: PayloadTooLargeError,
  415: UnsupportedMediaTypeError,
  429: TooManyRequestsError,
};

/** The error of an answer, of the class of its status. */
export function apiError(status: number, body: unknown, headers?: Headers): VoyloApiError {
  const Class = CLASSES[status] ?? (status >= 500 ? ServerError : VoyloApiError);
  return new Class(status, body, headers);
}

function fieldErrors(body: unknown): FieldError[] {
  const message = isRecord(body) ? body["message"] : undefined;
  if (!Array.isArray(message)) return [];
  return message.filter(
    (each): each is FieldError =>
      isRecord(each) && typeof each["field"] === "string" && typeof each["message"] === "string",
  );
}

function detailsOf(fields: readonly FieldError[]): Record<string, string[]> {
  const details = Object.create(null) as Record<string, string[]>;
  for (const { field, message } of fields) (details[field] ??= []).push(message);
  return details;
}

function messageOf(body: unknown, fields: readonly FieldError[]): string {
  if (fields.length > 0) return fields.map(({ field, message }) => `${field}: ${message}`).join("; ");
  if (isRecord(body) && typeof body["message"] === "string") return body["message"];
  return typeof body === "string" && body.length > 0 ? body.slice(0, 200) : "The API answered with an error";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
