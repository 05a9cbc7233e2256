// Says of each `[label, type, text]` on stdin what the builder says; null where it is right.

import { readFileSync } from "node:fs";

import { problem } from "../../dist/esm/voyloml/values.js";

const judged = JSON.parse(readFileSync(0, "utf8")).map(([label, of, text]) => problem(label, of, text) ?? null);
process.stdout.write(JSON.stringify(judged));
