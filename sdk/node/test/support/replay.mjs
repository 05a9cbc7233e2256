// Builds the golden scripts on stdin and writes their XML as JSON. A call is `[on, method, ...arguments]`: `on` is the
// number of the call on whose result it is made, 0 the VoyloResponse; `{"speech": [...]}` is a Speech.

import { readFileSync } from "node:fs";

import { Speech, VoyloResponse } from "../../dist/esm/index.js";

function argument(given) {
  if (typeof given !== "object" || given === null || given.speech === undefined) return given;
  const speech = new Speech();
  for (const [method, ...inside] of given.speech) speech[method](...inside.map(argument));
  return speech;
}

const documents = JSON.parse(readFileSync(0, "utf8")).map((calls) => {
  const results = [new VoyloResponse()];
  for (const [on, method, ...given] of calls) results.push(results[on][method](...given.map(argument)));
  const xml = [...new Set(results.map(String))];
  if (xml.length !== 1) throw new Error(`Builders of one document differ: ${JSON.stringify(calls)}`);
  return xml[0];
});
process.stdout.write(JSON.stringify(documents));
