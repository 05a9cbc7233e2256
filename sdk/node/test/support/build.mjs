// Builds the documents that stdin describes and writes them as JSON: each a list of steps, a step being the method and
// its arguments, called on what the step before gave back. `{ error }` stands for a document that was refused.

import { readFileSync } from "node:fs";

import { VoyloMLError, VoyloResponse } from "../../dist/esm/index.js";

const documents = JSON.parse(readFileSync(0, "utf8")).map((steps) => {
  try {
    let builder = new VoyloResponse();
    for (const [method, ...given] of steps) builder = builder[method](...given);
    return { xml: builder.toString() };
  } catch (error) {
    if (error instanceof VoyloMLError) return { error: error.message };
    throw error;
  }
});
process.stdout.write(JSON.stringify(documents));
