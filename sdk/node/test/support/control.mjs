// Calls one method of `client.calls` with arguments in JSON, and prints what it gives: node control.mjs get '"cl_…"'

import { VoyloClient } from "../../dist/esm/index.js";

const [method, ...given] = process.argv.slice(2);
const answer = await new VoyloClient({ maxRetries: 0 }).calls[method](...given.map((each) => JSON.parse(each)));
console.log(JSON.stringify(answer ?? null));
