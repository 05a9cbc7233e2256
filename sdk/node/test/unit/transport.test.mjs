// Requests: headers, errors, repetition and time-outs, against servers of the test.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as sdk from "../../dist/esm/index.js";
import { answering } from "../support/servers.mjs";

const PLACED = { status: 202, json: { publicId: "cl_a1b2c3d4e5f6", status: "dialing" } };
const CALL = { from: "+12015550100", to: "+12015550123", applicationId: "9b8a7c6d-5e4f-4a2b-9c0d-9e8f7a6b5c4d" };

async function served(context, ...answers) {
  const server = await answering(...answers);
  context.after(server.close);
  const client = new sdk.VoyloClient({ apiKey: "vlx_live_test", workspaceId: "ws_000000000001", baseUrl: server.url });
  return { ...server, client };
}

function error(status, message = "no", headers = {}) {
  return { status, json: { statusCode: status, error: "E", message }, headers };
}

test("a request carries key, workspace, query and body", async (context) => {
  const { client, requests } = await served(context, { json: { id: "x" } });
  await client.numbers.update("a/b", { label: "Main" });
  await client.agents.list({ search: "a&b", page: 2 }).first();
  const [patch, list] = requests;
  assert.equal(patch.method, "PATCH");
  assert.equal(patch.url, "/v1/numbers/a%2Fb");
  assert.deepEqual(JSON.parse(patch.body), { label: "Main" });
  assert.equal(patch.headers["content-type"], "application/json");
  assert.equal(patch.headers["idempotency-key"], undefined);
  assert.equal(list.url, "/v1/agents?search=a%26b&page=2");
  for (const { headers } of requests) {
    assert.equal(headers.authorization, "Bearer vlx_live_test");
    assert.equal(headers["x-workspace-id"], "ws_000000000001");
  }
});

test("key, workspace and base URL come from the environment where they are not given", async (context) => {
  const server = await answering({ json: [] });
  const before = { ...process.env };
  context.after(() => {
    server.close();
    process.env = before;
  });
  for (const name of ["VOYLO_API_KEY", "VOYLO_WORKSPACE_ID", "VOYLO_API_URL"]) delete process.env[name];
  assert.throws(() => new sdk.VoyloClient({ baseUrl: server.url }), sdk.VoyloConfigurationError);
  assert.throws(() => new sdk.VoyloClient({ apiKey: "k" }), sdk.VoyloConfigurationError);
  assert.throws(() => new sdk.VoyloClient({ apiKey: "k", baseUrl: "localhost" }), sdk.VoyloConfigurationError);
  Object.assign(process.env, {
    VOYLO_API_KEY: "vlx_live_env",
    VOYLO_WORKSPACE_ID: "ws_00000000000e",
    VOYLO_API_URL: `${server.url}/v1/`,
  });
  await new sdk.VoyloClient().workspaces.list();
  const { url, headers } = server.requests[0];
  assert.equal(url, "/v1/workspaces");
  assert.equal(headers.authorization, "Bearer vlx_live_env");
  assert.equal(headers["x-workspace-id"], "ws_00000000000e");
});

const CLASSES = {
  400: sdk.BadRequestError,
  401: sdk.UnauthorizedError,
  402: sdk.PaymentRequiredError,
  403: sdk.ForbiddenError,
  404: sdk.NotFoundError,
  405: sdk.MethodNotAllowedError,
  409: sdk.ConflictError,
  413: sdk.PayloadTooLargeError,
  415: sdk.UnsupportedMediaTypeError,
  429: sdk.TooManyRequestsError,
  500: sdk.ServerError,
  503: sdk.ServerError,
};
for (const [status, Class] of Object.entries(CLASSES)) {
  test(`${status} is thrown as ${Class.name}`, async (context) => {
    const { client } = await served(context, error(Number(status), "Not so", { "x-request-id": "r1" }));
    await assert.rejects(client.workspaces.list({ maxRetries: 0 }), (thrown) => {
      assert.equal(thrown.constructor, Class);
      assert.equal(thrown.name, Class.name);
      assert.ok(thrown instanceof sdk.VoyloApiError && thrown instanceof sdk.VoyloError);
      assert.equal(thrown.status, Number(status));
      assert.equal(thrown.body.message, "Not so");
      assert.equal(thrown.message, `${status} Not so`);
      assert.equal(thrown.requestId, "r1");
      assert.deepEqual(thrown.fields, []);
      return true;
    });
  });
}

test("the fields of a 400 are data", async (context) => {
  const fields = [
    { field: "to", message: "is required" },
    { field: "to", message: "must be a string" },
  ];
  const { client } = await served(context, error(400, fields));
  await assert.rejects(client.workspaces.list(), (thrown) => {
    assert.deepEqual(thrown.fields, fields);
    assert.deepEqual([...thrown.details.to], ["is required", "must be a string"]);
    assert.equal(thrown.message, "400 to: is required; to: must be a string");
    return true;
  });
});

test("an error that is not JSON keeps its text", async (context) => {
  const { client } = await served(context, { status: 502, text: "<h1>Bad Gateway</h1>" });
  await assert.rejects(client.workspaces.list({ maxRetries: 0 }), (thrown) => {
    assert.equal(thrown.body, "<h1>Bad Gateway</h1>");
    return thrown instanceof sdk.ServerError;
  });
});

test("an answer that is not JSON, a redirect and a refused connection are network errors", async (context) => {
  const redirect = { status: 302, headers: { location: "/elsewhere" } };
  const { client } = await served(context, { text: "<html>" }, redirect);
  await assert.rejects(client.workspaces.list({ maxRetries: 0 }), sdk.VoyloNetworkError);
  await assert.rejects(client.workspaces.list({ maxRetries: 0 }), sdk.VoyloNetworkError);
  const gone = await answering({});
  gone.close();
  const refused = new sdk.VoyloClient({ apiKey: "k", baseUrl: gone.url, maxRetries: 0 });
  await assert.rejects(refused.workspaces.list(), (thrown) => {
    assert.match(thrown.message, /GET \/v1\/workspaces: .*ECONNREFUSED/);
    return thrown instanceof sdk.VoyloNetworkError && thrown.cause !== undefined;
  });
});

test("a lost answer and a fault of the server are tried again where that is safe", async (context) => {
  const { client, requests } = await served(context, "lost", error(503), { json: [] });
  assert.deepEqual(await client.workspaces.list(), []);
  assert.equal(requests.length, 3);
});

test("after as many attempts as allowed the error is thrown", async (context) => {
  const { client, requests } = await served(context, error(503));
  await assert.rejects(client.workspaces.list({ maxRetries: 1 }), sdk.ServerError);
  assert.equal(requests.length, 2);
});

test("what changes something is sent once, unless the engine refused to look at it", async (context) => {
  const { client, requests } = await served(context, error(503), "lost", error(429, "slow"), { json: { id: "a" } });
  await assert.rejects(client.applications.update("a", { name: "a" }), sdk.ServerError);
  await assert.rejects(client.applications.update("a", { name: "a" }), sdk.VoyloNetworkError);
  assert.equal(requests.length, 2);
  assert.equal((await client.applications.update("a", { name: "a" })).id, "a");
  assert.equal(requests.length, 4);
});

test("Retry-After is waited for, and left to the caller where it is long", async (context) => {
  const { client, requests } = await served(
    context,
    error(429, "slow", { "retry-after": "1" }),
    { json: [] },
    error(429, "slow", { "retry-after": "3600" }),
  );
  const begun = performance.now();
  await client.workspaces.list();
  assert.ok(performance.now() - begun >= 990);
  await assert.rejects(client.workspaces.list(), (thrown) => thrown.retryAfter === 3600);
  assert.equal(requests.length, 3);
});

test("a call is placed with one Idempotency-Key however often it is sent", async (context) => {
  const busy = error(409, "still at work", { "retry-after": "0" });
  const { client, requests } = await served(context, "lost", busy, PLACED);
  assert.deepEqual(await client.calls.create(CALL), PLACED.json);
  assert.equal(requests.length, 3);
  assert.deepEqual(JSON.parse(requests[0].body), CALL);
  const keys = requests.map(({ headers }) => headers["idempotency-key"]);
  assert.match(keys[0], /^[\x21-\x7e]{1,255}$/);
  assert.deepEqual(new Set(keys).size, 1);
  await client.calls.create(CALL);
  assert.notEqual(requests[3].headers["idempotency-key"], keys[0]);
  await client.calls.create(CALL, { idempotencyKey: "order-7" });
  assert.equal(requests[4].headers["idempotency-key"], "order-7");
});

test("a key that was used with another body is not tried again", async (context) => {
  const { client, requests } = await served(context, error(409));
  await assert.rejects(client.calls.create(CALL), sdk.ConflictError);
  assert.equal(requests.length, 1);
});

test("an answer that takes too long is a VoyloTimeoutError", async (context) => {
  const { client, requests } = await served(context, "never");
  await assert.rejects(client.workspaces.list({ timeoutMs: 50, maxRetries: 0 }), (thrown) => {
    assert.match(thrown.message, /no answer within 50 ms/);
    return thrown instanceof sdk.VoyloTimeoutError && thrown instanceof sdk.VoyloNetworkError;
  });
  assert.equal(requests.length, 1);
});

test("a caller's signal ends a request and the wait before the next", async (context) => {
  const { client, requests } = await served(context, "never", error(503));
  const waiting = AbortSignal.timeout(50);
  await assert.rejects(client.workspaces.list({ signal: waiting }), (thrown) => thrown === waiting.reason);
  const between = AbortSignal.timeout(100);
  await assert.rejects(client.workspaces.list({ signal: between }), (thrown) => thrown === between.reason);
  assert.equal(requests.length, 2);
});

test("ids that would name another path and times that mean nothing are refused", async (context) => {
  const { client, requests } = await served(context, { json: {} });
  for (const id of ["", ".", "..", undefined]) assert.throws(() => client.numbers.get(id), TypeError);
  await assert.rejects(client.workspaces.list({ timeoutMs: 0 }), sdk.VoyloConfigurationError);
  await assert.rejects(client.workspaces.list({ maxRetries: -1 }), sdk.VoyloConfigurationError);
  assert.equal(requests.length, 0);
});

test("a client without a key keeps the cookie of its session", async (context) => {
  const signedIn = { json: {}, headers: { "set-cookie": "voylo_session=abc; Path=/; HttpOnly" } };
  const signedOut = { status: 204, headers: { "set-cookie": "voylo_session=; Path=/; Max-Age=0" } };
  const server = await answering(signedIn, { json: [] }, signedOut, { json: [] });
  context.after(server.close);
  const client = new sdk.VoyloClient({ apiKey: null, baseUrl: server.url });
  await client.auth.login({ email: "a@b.example", password: "secret" });
  await client.workspaces.list();
  await client.auth.logout();
  await client.workspaces.list();
  const cookies = server.requests.map(({ headers }) => headers.cookie);
  assert.deepEqual(cookies, [undefined, "voylo_session=abc", "voylo_session=abc", undefined]);
  assert.ok(server.requests.every(({ headers }) => headers.authorization === undefined));
});
