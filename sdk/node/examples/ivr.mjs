// A menu with Express: the action URL of an application is this server's `/`. SIGNING_SECRET is the application's, DESK
// the SIP URI or number of the desk, PORT where it listens.

import express from "express";
import { VoyloResponse } from "@voylo/sdk";
import { action } from "@voylo/sdk/express";

const { SIGNING_SECRET, DESK, PORT } = process.env;
const app = express();

app.post("/", action(SIGNING_SECRET, () => {
  const response = new VoyloResponse();
  const menu = response.gather({ numDigits: 1, action: "/choice", timeout: 10 });
  menu.say("Press 1 for our opening hours, 2 for the desk.");
  return response.say("Goodbye.").hangup();
}));

app.post("/choice", action(SIGNING_SECRET, (call) => {
  if (call.digits === "1") return new VoyloResponse().say("We are here from nine to five.").hangup();
  if (call.digits === "2") return new VoyloResponse().dial(DESK, { timeout: 20, action: "/after" });
  return new VoyloResponse().redirect("/");
}));

app.post("/after", action(SIGNING_SECRET, (call) => {
  if (call.dialStatus === "completed") return new VoyloResponse().hangup();
  return new VoyloResponse().say("The desk is busy. Please call again later.").hangup();
}));

app.listen(Number(PORT), "127.0.0.1");
