// Receives webhooks, each event once: SIGNING_SECRET is the webhook's, PORT where it listens.

import { createServer } from "node:http";

import { webhook } from "@voylo/sdk/http";

const { SIGNING_SECRET, PORT } = process.env;
// A real server keeps what it has seen where a restart does not lose it.
const seen = new Set();

const told = webhook(SIGNING_SECRET, (event) => {
  if (seen.has(event.event_id)) return;
  seen.add(event.event_id);
  switch (event.event) {
    case "call.completed":
      console.log(event.event, event.public_id, `${event.duration_s} s, ended by the ${event.hangup_by}`);
      break;
    case "call.placed":
    case "call.answered":
      console.log(event.event, event.public_id, `${event.from} to ${event.to}`);
      break;
    default:
      console.log(event.event, event.event_id);
  }
});

createServer(told).listen(Number(PORT), "127.0.0.1");
