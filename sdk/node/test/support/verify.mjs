// Says of each `[secret, body, header, now]` on stdin whether the signature is accepted.

import { readFileSync } from "node:fs";

import { verifySignature } from "../../dist/esm/index.js";

const cases = JSON.parse(readFileSync(0, "utf8"));
const said = cases.map(([secret, body, header, now]) => verifySignature(secret, body, header, { now }));
process.stdout.write(JSON.stringify(said));
