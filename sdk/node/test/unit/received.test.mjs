// What a server receives: events and action requests by themselves, in node:http, in Express and in Fastify.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import express from "express";
import Fastify from "fastify";

import * as inFastify from "@voylo/sdk/fastify";
import * as inHttp from "@voylo/sdk/http";
import * as sdk from "@voylo/sdk";

const SECRET = "whsec_0123456789";
const EVENT = JSON.stringify({ event: "call.completed", event_id: "evt_1", duration_s: 42, text: "مرحبا" });
const FORM = {
  CallSid: "cl_a1b2c3d4e5f6", From: "+15550123", To: "+97142345678", Direction: "inbound", CallStatus: "in-progress",
  CallUuid: "u", ApplicationId: "a", WorkspaceId: "ws_0123456789ab", Step: "gather", Digits: "1#", Confidence: "",
  DialCallSid: "cl_000000000000", Later: "é & ü", var_order_id: "ORD-1", var_var_x: "y",
};
const ACTION = new URLSearchParams(FORM).toString();
const XML = '<?xml version="1.0" encoding="UTF-8"?><Response><Say>1# of ORD-1</Say></Response>';
const NOW = Math.floor(Date.now() / 1000);

function signed(body, secret = SECRET, at = NOW) {
  return `t=${at},v1=${createHmac("sha256", secret).update(`${at}.${body}`).digest("hex")}`;
}

const menu = (call) => new sdk.VoyloResponse().say(`${call.digits} of ${call.variables.order_id}`);
const broken = () => {
  throw new Error("the handler's own");
};

test("events are told apart by their names", () => {
  const event = sdk.parseEvent(Buffer.from(EVENT));
  assert.equal(event.event === "call.completed" && event.duration_s, 42);
  const later = sdk.parseEvent('{"event":"call.sung","event_id":"evt_2","more":1}');
  const payload = { event: "call.sung", event_id: "evt_2", more: 1 };
  assert.deepEqual(later, { event: "unknown", name: "call.sung", event_id: "evt_2", payload });
  for (const wrong of ["", "[]", "null", "7", "{}", '{"event":1,"event_id":"e"}']) {
    assert.throws(() => sdk.parseEvent(wrong), sdk.VoyloReceivedError);
  }
});

test("only signed events are received", () => {
  assert.deepEqual(sdk.receiveEvent(SECRET, EVENT, signed(EVENT)), JSON.parse(EVENT));
  const old = signed(EVENT, SECRET, NOW - 400);
  assert.ok(sdk.receiveEvent(["whsec_other", SECRET], EVENT, old, { tolerance: 500 }));
  for (const [body, header] of [[EVENT, undefined], [EVENT, old], [`${EVENT} `, signed(EVENT)]]) {
    assert.throws(() => sdk.receiveEvent(SECRET, body, header), sdk.VoyloSignatureError);
  }
  assert.throws(() => sdk.receiveEvent([], EVENT, signed(EVENT)), TypeError);
});

test("parameters of action requests have names of JavaScript", () => {
  const call = sdk.parseAction(ACTION);
  assert.equal(call.callSid, "cl_a1b2c3d4e5f6");
  assert.deepEqual([call.from, call.step, call.digits, call.confidence], ["+15550123", "gather", "1#", ""]);
  assert.deepEqual([call.dialCallSid, call.recordingUrl], ["cl_000000000000", undefined]);
  assert.deepEqual({ ...call.variables }, { order_id: "ORD-1", var_x: "y" });
  assert.deepEqual({ ...call.parameters }, FORM);
  assert.equal(sdk.receiveAction(SECRET, "", signed(""), { query: ACTION }).digits, "1#");
  for (const wrong of ["", "{}", "CallSid=cl_1"]) assert.throws(() => sdk.parseAction(wrong), sdk.VoyloReceivedError);
});

test("answers are documents", () => {
  assert.match(sdk.document(new sdk.VoyloResponse().gather().say("Hello")), /<\/Gather><\/Response>$/);
  assert.equal(sdk.document("<Response/>"), "<Response/>");
  for (const nothing of [undefined, null]) assert.match(sdk.document(nothing), /<Response\/>$/);
  assert.throws(() => sdk.document(7), TypeError);
});

async function listening(context, server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

const FRAMEWORKS = {
  async http(context, told) {
    const routes = {
      "/menu": inHttp.action(SECRET, menu),
      "/later": inHttp.action(["whsec_new", SECRET], async (call) => menu(call)),
      "/events": inHttp.webhook(SECRET, (event) => told.push(event)),
      "/events-later": inHttp.webhook(SECRET, async (event) => told.push(event)),
      "/broken": inHttp.action(SECRET, broken),
    };
    return listening(context, createServer((request, response) => {
      routes[request.url.split("?")[0]](request, response);
    }));
  },
  async express(context, told) {
    const app = express();
    app.all("/menu", inHttp.action(SECRET, menu));
    app.post("/events", inHttp.webhook(SECRET, (event) => told.push(event)));
    app.post("/later", express.raw({ type: "*/*" }), inHttp.action(SECRET, async (call) => menu(call)));
    app.use(express.json({ verify: (request, _response, body) => (request.rawBody = body) }));
    app.post("/events-later", inHttp.webhook(SECRET, async (event) => told.push(event)));
    app.post("/broken", inHttp.action(SECRET, broken));
    app.post("/parsed", express.urlencoded({ extended: false }), inHttp.action(SECRET, menu));
    app.use((error, _request, response, _next) => response.status(500).send(`caught: ${error.message}`));
    return listening(context, createServer(app));
  },
  async fastify(context, told) {
    const app = Fastify();
    app.register(inFastify.action({ url: "/menu", secret: SECRET }, menu));
    app.register(inFastify.action({ url: "/later", secret: ["whsec_new", SECRET] }, async (call) => menu(call)));
    app.register(inFastify.webhook({ url: "/events", secret: SECRET }, (event) => told.push(event)));
    app.register(inFastify.webhook({ url: "/events-later", secret: SECRET }, async (event) => told.push(event)));
    app.register(inFastify.action({ url: "/broken", secret: SECRET }, broken));
    app.post("/json", async (request) => ({ got: request.body.a }));
    context.after(() => app.close());
    return app.listen({ port: 0, host: "127.0.0.1" });
  },
};

function post(url, body, header = signed(body)) {
  const type = body.startsWith("{") ? "application/json" : "application/x-www-form-urlencoded";
  const headers = { "content-type": type, ...(header !== undefined && header !== "" && { "voylo-signature": header }) };
  return fetch(url, { method: "POST", body, headers });
}

for (const [name, started] of Object.entries(FRAMEWORKS)) {
  test(`${name}: actions are answered with documents`, async (context) => {
    const url = await started(context, []);
    for (const path of ["/menu", "/later"]) {
      const answer = await post(url + path, ACTION);
      assert.equal(await answer.text(), XML);
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get("content-type"), /^application\/xml/);
    }
    const answer = await fetch(`${url}/menu?${ACTION}`, { headers: { "voylo-signature": signed("") } });
    assert.equal(await answer.text(), XML);
  });

  test(`${name}: webhooks are told`, async (context) => {
    const told = [];
    const url = await started(context, told);
    for (const path of ["/events", "/events-later"]) assert.equal((await post(url + path, EVENT)).status, 204);
    assert.deepEqual(told, [JSON.parse(EVENT), JSON.parse(EVENT)]);
  });

  test(`${name}: what is not signed, or no request of the engine, reaches no handler`, async (context) => {
    const told = [];
    const url = await started(context, told);
    for (const header of ["", signed(EVENT, "whsec_other"), signed(EVENT, SECRET, 1), signed(`${EVENT} `)]) {
      for (const path of ["/events", "/events-later"]) {
        assert.equal((await post(url + path, EVENT, header)).status, 403);
      }
    }
    for (const path of ["/menu", "/later"]) assert.equal((await post(url + path, ACTION, "")).status, 403);
    assert.equal((await post(`${url}/events`, "{}")).status, 400);
    assert.equal((await post(`${url}/menu`, "a=b")).status, 400);
    assert.equal((await post(`${url}/events`, `{"a":"${"b".repeat(1_100_000)}"}`)).status, 413);
    assert.deepEqual(told, []);
  });

  test(`${name}: an error of the handler is 500`, async (context) => {
    const url = await started(context, []);
    const answer = await post(`${url}/broken`, ACTION);
    assert.equal(answer.status, 500);
    if (name === "express") assert.equal(await answer.text(), "caught: the handler's own");
  });
}

test("in Express, a parser that was there before is told of", async (context) => {
  const url = await FRAMEWORKS.express(context, []);
  assert.match(await (await post(`${url}/parsed`, ACTION)).text(), /before the signature could be checked/);
});

test("in Fastify, other routes keep their own parsers", async (context) => {
  const url = await FRAMEWORKS.fastify(context, []);
  assert.deepEqual(await (await post(`${url}/json`, '{"a":1}')).json(), { got: 1 });
});

test("the modules are there for CommonJS too", async () => {
  const { createRequire } = await import("node:module");
  const require = createRequire(import.meta.url);
  for (const name of ["http", "express", "fastify"]) assert.equal(typeof require(`@voylo/sdk/${name}`).webhook, "function");
});
