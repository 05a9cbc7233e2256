// Places a call and waits for its end: node place_call.mjs FROM TO, with VOYLO_API_URL and VOYLO_API_KEY set.

import { setTimeout } from "node:timers/promises";

import { VoyloClient, VoyloResponse } from "@voylo/sdk";

const [from, to] = process.argv.slice(2);
const client = new VoyloClient();
const xmlTemplate = new VoyloResponse().say("Hello from Voylo.").hangup().toString();
const application = await client.applications.create({ name: "Place a call", xmlTemplate });
const placed = await client.calls.create({ from, to, applicationId: application.id, timeout: 20 });
console.log(placed.publicId, placed.status);
let call = await client.calls.get(placed.publicId);
while (call.pending) {
  await setTimeout(500);
  call = await client.calls.get(placed.publicId);
}
const { outcome, ringS, durationS, hangupBy } = call;
console.log(`${outcome} after ${ringS} s of ringing, ${durationS} s of talk, ended by the ${hangupBy}`);
