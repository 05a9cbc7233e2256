// Takes messages with Fastify: the action URL of an application is this server's `/`. SIGNING_SECRET is the
// application's, MESSAGES the folder that gets the recordings, PORT where it listens; VOYLO_API_URL and VOYLO_API_KEY say
// where they are fetched from.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import Fastify from "fastify";
import { VoyloClient, VoyloResponse } from "@voylo/sdk";
import { action } from "@voylo/sdk/fastify";

const { SIGNING_SECRET: secret, MESSAGES, PORT } = process.env;
const client = new VoyloClient();
const app = Fastify();

app.register(action({ url: "/", secret }, () =>
  new VoyloResponse()
    .say("Leave a message, and press the hash key.")
    .record({ action: "/recorded", finishOnKey: "#", maxLength: 120 })
    .say("There was no message.")
    .hangup(),
));

// Also asked for when the caller has hung up.
app.register(action({ url: "/recorded", secret }, async (call) => {
  if (call.recordingSid !== undefined) {
    const path = join(MESSAGES, `${call.from}-${call.recordingSid}.wav`);
    await writeFile(path, await client.recordings.getAudio(call.recordingSid));
  }
  return new VoyloResponse().say("Thank you.").hangup();
}));

await app.listen({ host: "127.0.0.1", port: Number(PORT) });
