/** The `Voylo-Signature` header of webhooks and of requests to applications. */

import { createHmac, timingSafeEqual } from "node:crypto";

/** Name of the header, in lower case as Node has it. */
export const SIGNATURE_HEADER = "voylo-signature";

/** `v1` members looked at in one header. */
const SIGNATURES = 8;

export interface VerifyOptions {
  /** Seconds that the signature may be old, or early. Default: 300 */
  tolerance?: number;
  /** Unix seconds; by default the present. */
  now?: number;
}

/**
 * True when `header` signs `body` with `secret`, or with one of several.
 *
 * `body` is the raw body, before anything has parsed it. While a secret is being replaced the header carries a
 * signature with each; one that fits is enough. Compares in constant time; never throws for anything in the header.
 */
export function verifySignature(
  secret: string | readonly string[],
  body: string | Uint8Array,
  header: string | readonly string[] | null | undefined,
  options: VerifyOptions = {},
): boolean {
  const secrets = typeof secret === "string" ? [secret] : secret;
  if (secrets.length === 0 || secrets.some((each) => each === "")) {
    throw new TypeError("secret must be one or more secrets, none of them empty");
  }
  let timestamp: string | undefined;
  const given: Buffer[] = [];
  const text = typeof header === "string" ? header : (header ?? []).join(",");
  for (const member of text.split(",", SIGNATURES + 2)) {
    const [name, value] = halves(member.trim());
    if (name === "t" && /^[0-9]{1,15}$/.test(value)) timestamp = value;
    else if (name === "v1" && given.length < SIGNATURES) given.push(Buffer.from(value));
  }
  const now = options.now ?? Date.now() / 1000;
  // Written so that a tolerance or time that is not a number refuses.
  if (timestamp === undefined || !(Math.abs(now - Number(timestamp)) <= (options.tolerance ?? 300))) return false;
  let valid = false;
  for (const each of secrets) {
    const signed = createHmac("sha256", each).update(`${Number(timestamp)}.`).update(body).digest("hex");
    const expected = Buffer.from(signed);
    for (const candidate of given) {
      valid = (candidate.length === expected.length && timingSafeEqual(candidate, expected)) || valid;
    }
  }
  return valid;
}

function halves(member: string): [string, string] {
  const equals = member.indexOf("=");
  return equals < 0 ? [member, ""] : [member.slice(0, equals), member.slice(equals + 1)];
}
