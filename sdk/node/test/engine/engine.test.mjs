// Against a running engine: every operation once, real errors, pages, the workspace header, lost answers.
//
// The engine is named by VOYLO_API_URL, VOYLO_API_KEY and VOYLO_WORKSPACE_ID, its owner by OWNER_EMAIL and
// OWNER_PASSWORD, the calls it has stored by CALLS, newest first; the operator's token is ADMIN_TOKEN. LOCK_URL takes its
// database away or damages it, and mends that; it also makes the invoices of the period that is running.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import * as sdk from "../../dist/esm/index.js";
import { losing } from "../support/servers.mjs";

const WORKSPACE = process.env.VOYLO_WORKSPACE_ID;
const UNKNOWN = "00000000-0000-4000-8000-000000000000";
const CALLS = JSON.parse(process.env.CALLS);
const used = new Set();
const sent = [];

/** fetch that notes the headers of each request. */
function noting(url, init) {
  sent.push(init.headers);
  return fetch(url, init);
}

/** The methods below a resource, by their names as a caller writes them. */
function methodsOf(resource, name) {
  const own = Object.getOwnPropertyNames(Object.getPrototypeOf(resource)).filter((each) => each !== "constructor");
  const inside = Object.entries(resource).filter(([, value]) => isResource(value));
  return [
    ...own.map((each) => `${name}.${each}`),
    ...inside.flatMap(([inner, value]) => methodsOf(value, `${name}.${inner}`)),
  ];
}

const KNOWN_BY = ["get", "list", "create", "login", "validate", "openapi", "inbound", "exchange"];

function isResource(value) {
  return typeof value === "object" && value !== null && KNOWN_BY.some((each) => each in value);
}

/** The resource, noting which of its methods are called. */
function watched(resource, name) {
  return new Proxy(resource, {
    get(target, member) {
      const value = target[member];
      if (isResource(value)) return watched(value, `${name}.${member}`);
      if (typeof value !== "function") return value;
      return (...given) => {
        used.add(`${name}.${String(member)}`);
        return value.apply(target, given);
      };
    },
  });
}

/** A client whose resources are watched, and the names of all its methods. */
function watchedClient(options = {}) {
  const bare = new sdk.VoyloClient({ fetch: noting, maxRetries: 0, ...options });
  const resources = Object.entries(bare).filter(([, value]) => isResource(value));
  const all = resources.flatMap(([name, value]) => methodsOf(value, name));
  return { all, ...Object.fromEntries(resources.map(([name, value]) => [name, watched(value, name)])) };
}

const client = watchedClient();

test("applications", async () => {
  const made = await client.applications.create({ name: "Menu" });
  assert.match(made.signingSecret, /^\S+$/);
  assert.equal((await client.applications.get(made.id)).name, "Menu");
  assert.equal((await client.applications.update(made.id, { name: "Main" })).name, "Main");
  assert.equal((await client.applications.replace(made.id, { name: "Put" })).name, "Put");
  assert.notEqual((await client.applications.rotateSigningSecret(made.id)).signingSecret, made.signingSecret);
  assert.deepEqual(await client.applications.listDeliveries(made.id).toArray(), []);
  await assert.rejects(client.applications.getDelivery(made.id, UNKNOWN), sdk.NotFoundError);
  await assert.rejects(client.applications.resendDelivery(made.id, UNKNOWN), sdk.NotFoundError);
  assert.equal(await client.applications.delete(made.id), undefined);
  await assert.rejects(client.applications.get(made.id), sdk.NotFoundError);
});

test("250 items over several pages, each once", async () => {
  const names = Array.from({ length: 250 }, (_, index) => `page ${index}`);
  for (let at = 0; at < names.length; at += 25) {
    await Promise.all(names.slice(at, at + 25).map((name) => client.applications.create({ name })));
  }
  const seen = [];
  for await (const { name } of client.applications.list({ search: "page ", limit: 100 })) seen.push(name);
  assert.deepEqual(seen.sort(), names.sort());
  const sizes = [];
  for await (const { data } of client.applications.list({ search: "page ", limit: 100 }).pages()) {
    sizes.push(data.length);
  }
  assert.deepEqual(sizes, [100, 100, 50]);
  const { data, pagination } = await client.applications.list({ search: "page ", page: 3, limit: 100 }).first();
  assert.equal(data.length, 50);
  assert.deepEqual(pagination, { page: 3, limit: 100, totalItems: 250, totalPages: 3 });
  assert.equal((await client.applications.list({ search: "page " }).toArray(15)).length, 15);
  assert.deepEqual(await client.applications.list({ search: "nothing" }).toArray(), []);
});

test("calls, whose older pages are behind a cursor", async () => {
  const ids = (calls) => calls.map(({ publicId }) => publicId);
  assert.deepEqual(ids(await client.calls.list({ limit: 10 }).toArray()), CALLS);
  assert.deepEqual(ids(await client.calls.list().toArray()), CALLS);
  assert.deepEqual(ids(await client.calls.list({ page: 1, limit: 10 }).toArray()), CALLS);
  assert.deepEqual(ids(await client.calls.list({ before: CALLS[4], limit: 3 }).toArray()), CALLS.slice(5));
  assert.deepEqual(ids((await client.calls.list({ limit: 3 }).first()).data), CALLS.slice(0, 3));
  assert.equal((await client.calls.get(CALLS[0])).publicId, CALLS[0]);
  assert.ok(Array.isArray(await client.calls.listEvents(CALLS[0])));
  assert.deepEqual(await client.calls.listRecordings(CALLS[0]), []);
  await assert.rejects(client.recordings.get(UNKNOWN), sdk.NotFoundError);
  await assert.rejects(client.recordings.getAudio(UNKNOWN), sdk.NotFoundError);
  await assert.rejects(client.recordings.delete(UNKNOWN), sdk.NotFoundError);
  await assert.rejects(client.calls.list({ before: "cl_000000000000" }).toArray(), sdk.BadRequestError);
});

test("numbers", async () => {
  const { numbers } = client;
  const made = await numbers.import({ e164: "+97142345678", label: "Main line" });
  await assert.rejects(numbers.create({ e164: "+97142345678" }), sdk.ConflictError);
  assert.deepEqual((await numbers.list({ search: "main line" }).toArray()).map(({ id }) => id), [made.id]);
  assert.equal((await numbers.get(made.id)).e164, "+97142345678");
  assert.equal((await numbers.update(made.id, { label: "Desk" })).label, "Desk");
  const { id } = await client.applications.create({ name: "Destination" });
  assert.deepEqual((await numbers.setDestination(made.id, { kind: "application", id })).destination.id, id);
  assert.equal((await numbers.setDestination(made.id, null)).destination, null);
  await numbers.setDirection(made.id, { inboundEnabled: true, outboundEnabled: false });
  await numbers.setSipCredentials(made.id, { username: "carrier-a" });
  assert.equal((await numbers.getSipCredentials(made.id)).username, "carrier-a");
  await numbers.rotateSipCredentials(made.id);
  await numbers.deleteSipCredentials(made.id);
  await numbers.delete(made.id);
});

test("trunks and agents", async () => {
  const { inbound, outbound } = client.trunks;
  const into = await inbound.create({ name: "In", destinations: [{ uri: "sip:a@127.0.0.1:5999" }] });
  assert.equal((await inbound.get(into.id)).name, "In");
  assert.equal((await inbound.update(into.id, { name: "Into" })).name, "Into");
  assert.equal((await inbound.list().toArray()).length, 1);
  await inbound.delete(into.id);
  const out = await outbound.create({ name: "Out" });
  assert.equal((await outbound.get(out.id)).name, "Out");
  assert.equal((await outbound.update(out.id, { name: "PBX" })).name, "PBX");
  assert.equal((await outbound.list().toArray()).length, 1);
  assert.notEqual((await outbound.rotateCredentials(out.id)).password, out.sip.password);
  await outbound.delete(out.id);
  const agent = await client.agents.create({ email: "berta@customer.example" });
  assert.equal((await client.agents.get(agent.id)).email, "berta@customer.example");
  assert.equal((await client.agents.update(agent.id, { label: "Berta" })).label, "Berta");
  assert.equal((await client.agents.list().toArray()).length, 1);
  assert.notEqual((await client.agents.rotateCredentials(agent.id)).password, agent.password);
  await client.agents.delete(agent.id);
});

test("the widget of an agent", async () => {
  const session = await client.agentWidget.session({ agentEmail: "carla@customer.example", displayName: "Carla" });
  assert.deepEqual([session.agent.username, session.agent.label], ["carla", "Carla"]);
  assert.ok(session.widgetUrl.endsWith(`/embed?token=${session.token}`));
  const line = await watchedClient({ apiKey: session.token }).agentWidget.exchange();
  assert.ok(line.username.startsWith("carla~") && line.sipUri.startsWith("sip:carla@"));
  assert.deepEqual([line.wsUri, line.iceServers, line.callerNumbers], [null, [], []]);
  await assert.rejects(client.agentWidget.exchange(), sdk.UnauthorizedError);
  await client.agents.delete(session.agent.id);
});

test("webhooks", async () => {
  const { webhooks } = client;
  const made = await webhooks.create({ url: "https://crm.example/voylo", events: ["call.completed"] });
  assert.equal((await webhooks.get(made.id)).url, made.url);
  assert.equal((await webhooks.update(made.id, { description: "CRM" })).description, "CRM");
  assert.equal((await webhooks.list().toArray()).length, 1);
  assert.ok((await webhooks.listEvents()).includes("call.completed"));
  assert.notEqual((await webhooks.rotateSecret(made.id)).secret, made.secret);
  const { deliveryId } = await webhooks.test(made.id);
  assert.equal((await webhooks.listDeliveries(made.id).toArray())[0].id, deliveryId);
  assert.equal((await webhooks.getDelivery(made.id, deliveryId)).id, deliveryId);
  await webhooks.resendDelivery(made.id, deliveryId).catch((thrown) => assert.equal(thrown.status, 409));
  await webhooks.delete(made.id);
});

test("documents, keys, members and the monitor", async () => {
  const response = new sdk.VoyloResponse().say("Hello").hangup();
  const judged = await client.voyloml.validate({ xml: response.toString() });
  assert.deepEqual(judged, { valid: true, errors: [], warnings: [] });
  assert.equal((await client.voyloml.validate({ xml: "<Response><Speak/></Response>" })).valid, false);
  const key = await client.apiKeys.create({ name: "ci", role: "viewer" });
  const viewer = new sdk.VoyloClient({ apiKey: key.key, maxRetries: 0, fetch: noting });
  await assert.rejects(viewer.applications.create({ name: "no" }), sdk.ForbiddenError);
  assert.equal((await client.apiKeys.list().toArray()).length, 2);
  await client.apiKeys.delete(key.id);
  await assert.rejects(viewer.applications.list().first(), sdk.UnauthorizedError);
  const invited = await client.members.createInvitation({ email: "carla@customer.example", role: "viewer" });
  const other = await client.members.createInvitation({ email: "dora@customer.example", role: "viewer" });
  assert.equal((await client.members.listInvitations().toArray()).length, 2);
  await client.members.deleteInvitation(other.id);
  const carla = watchedClient({ apiKey: null });
  await carla.auth.acceptInvitation({ token: invited.token, name: "Carla", password: "a-good-password" });
  assert.equal((await carla.auth.me()).user.email, "carla@customer.example");
  const member = (await client.members.list().toArray()).find(({ email }) => email === "carla@customer.example");
  assert.equal((await client.members.update(member.id, { role: "developer" })).role, "developer");
  await client.members.delete(member.id);
  assert.ok(await client.monitor.get());
  assert.ok(Array.isArray((await client.monitor.listEvents().first()).data));
  assert.match((await client.meta.openapi()).openapi, /^3\.1/);
});

test("workspaces, as a signed-in owner", async () => {
  assert.deepEqual((await client.workspaces.list()).map(({ id }) => id), [WORKSPACE]);
  await assert.rejects(client.workspaces.create({ name: "Second" }), sdk.ForbiddenError);
  const owner = watchedClient({ apiKey: null });
  await owner.auth.login({ email: process.env.OWNER_EMAIL, password: process.env.OWNER_PASSWORD });
  const made = await owner.workspaces.create({ name: "Second" });
  assert.equal((await owner.workspaces.list()).length, 2);
  await owner.auth.logout();
  await assert.rejects(owner.auth.me(), sdk.UnauthorizedError);
  const second = watchedClient({ apiKey: null, workspaceId: made.id });
  await second.auth.login({ email: process.env.OWNER_EMAIL, password: process.env.OWNER_PASSWORD });
  assert.equal((await second.workspaces.update(made.id, { name: "Other" })).name, "Other");
  await second.workspaces.delete(made.id);
});

test("another workspace than the key's is refused, and fields of a 400 are named", async () => {
  const other = new sdk.VoyloClient({ workspaceId: "ws_ffffffffffff" });
  await assert.rejects(other.calls.list().toArray(), sdk.ForbiddenError);
  await assert.rejects(client.applications.create({ name: "", recording: "sometimes" }), (thrown) => {
    assert.ok(thrown instanceof sdk.BadRequestError);
    assert.deepEqual(thrown.fields.map(({ field }) => field).sort(), ["name", "recording"]);
    return true;
  });
  await assert.rejects(client.calls.get("cl_000000000000"), (thrown) => {
    assert.ok(thrown instanceof sdk.NotFoundError && thrown.requestId);
    return true;
  });
});

test("405, 413 and 415 come as their classes", async () => {
  const raw = new sdk.VoyloClient({ maxRetries: 0 });
  await assert.rejects(raw.request({ method: "PUT", path: "/v1/calls", body: {} }), sdk.MethodNotAllowedError);
  const large = { name: "a".repeat(1_100_000) };
  await assert.rejects(raw.applications.create(large), (thrown) => thrown instanceof sdk.PayloadTooLargeError);
  const untyped = new sdk.VoyloClient({
    maxRetries: 0,
    fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, "Content-Type": "text/plain" } }),
  });
  await assert.rejects(untyped.applications.create({ name: "a" }), sdk.UnsupportedMediaTypeError);
});

test("lost answers: reading and deleting go on, nothing is created twice", async () => {
  const { id } = await client.applications.create({ name: "lost" });
  const through = async (lost, use) => {
    const proxy = await losing(process.env.VOYLO_API_URL, lost);
    try {
      return [await use(new sdk.VoyloClient({ baseUrl: proxy.url })), proxy.requests.length];
    } finally {
      proxy.close();
    }
  };
  const [read, asked] = await through(2, (lossy) => lossy.applications.get(id));
  assert.deepEqual([read.id, asked], [id, 3]);
  const [deleted, times] = await through(1, (lossy) => lossy.applications.delete(id));
  assert.deepEqual([deleted, times], [undefined, 2]);
  const [made, sent] = await through(1, (lossy) => lossy.applications.create({ name: "only once" }));
  assert.deepEqual([made.name, sent], ["only once", 2]);
  const [, once] = await through(1, (lossy) =>
    assert.rejects(lossy.applications.rotateSigningSecret(made.id), sdk.VoyloNetworkError),
  );
  assert.equal(once, 1);
  assert.equal((await client.applications.list({ search: "only once" }).toArray()).length, 1);
});

test("calls are placed once for a key, and running ones are controlled", async () => {
  const { id: applicationId } = await client.applications.create({ name: "Out", xmlTemplate: "<Response/>" });
  // Without a carrier: it is taken, and fails without a try.
  await client.numbers.import({ e164: "+12015550188" });
  const call = { from: "+12015550188", to: "+12015550199", applicationId };
  const placed = await client.calls.create(call, { idempotencyKey: "once" });
  assert.equal(placed.status, "dialing");
  assert.deepEqual(await client.calls.create(call, { idempotencyKey: "once" }), placed);
  await assert.rejects(client.calls.create({ ...call, timeout: 10 }, { idempotencyKey: "once" }), sdk.ConflictError);
  let record;
  do record = await client.calls.get(placed.publicId);
  while (record.pending);
  assert.equal(record.hangupCause, "unreachable");
  await assert.rejects(client.calls.hangup(placed.publicId), sdk.ConflictError);
  await assert.rejects(client.calls.redirect(placed.publicId, { xml: "<Response/>" }), sdk.ConflictError);
  await assert.rejects(client.calls.pauseRecording(placed.publicId), sdk.ConflictError);
  await assert.rejects(client.calls.pauseRecording(placed.publicId, { behavior: "skip" }), sdk.ConflictError);
  await assert.rejects(client.calls.resumeRecording(placed.publicId), sdk.ConflictError);
});

test("a lost answer to a call does not dial twice", async () => {
  const { id: applicationId } = await client.applications.create({ name: "Once", xmlTemplate: "<Response/>" });
  await client.numbers.import({ e164: "+12015550187" });
  const proxy = await losing(process.env.VOYLO_API_URL, 2);
  try {
    const lossy = new sdk.VoyloClient({ baseUrl: proxy.url });
    const placed = await lossy.calls.create({ from: "+12015550187", to: "+12015550177", applicationId });
    const keys = new Set(proxy.requests.map(({ headers }) => headers["idempotency-key"]));
    assert.deepEqual([proxy.requests.length, keys.size], [3, 1]);
    const listed = await client.calls.list({ to: "+12015550177" }).toArray();
    assert.deepEqual(listed.map(({ publicId }) => publicId), [placed.publicId]);
  } finally {
    proxy.close();
  }
});

test("too many calls in a second come as their class, and are waited for", async () => {
  const { id: applicationId } = await client.applications.create({ name: "Many", xmlTemplate: "<Response/>" });
  await client.numbers.import({ e164: "+12015550186" });
  const call = { from: "+12015550186", to: "+12015550176", applicationId };
  const placing = await Promise.allSettled(Array.from({ length: 25 }, () => client.calls.create(call)));
  const refused = placing.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
  assert.ok(refused.length > 0 && refused.length < 25);
  assert.ok(refused.every((reason) => reason instanceof sdk.TooManyRequestsError && reason.retryAfter >= 1));
  assert.equal((await new sdk.VoyloClient({ fetch: noting }).calls.create(call)).status, "dialing");
});

test("a database that does not answer is a ServerError, and waited for where that is safe", async () => {
  const { id } = await client.applications.create({ name: "before" });
  const statuses = [];
  const watching = async (url, init) => {
    const answer = await noting(url, init);
    statuses.push(answer.status);
    if (statuses.length === 2) await fetch(`${process.env.LOCK_URL}/release`);
    return answer;
  };
  const patient = new sdk.VoyloClient({ fetch: watching });
  await fetch(`${process.env.LOCK_URL}/take`);
  // PATCH is sent once, PUT again.
  await assert.rejects(patient.applications.update(id, { name: "never" }), (thrown) => {
    assert.ok(thrown instanceof sdk.ServerError);
    assert.deepEqual([thrown.status, thrown.retryAfter, thrown.body.error], [503, 1, "Service Unavailable"]);
    return true;
  });
  assert.equal((await patient.applications.replace(id, { name: "after" })).name, "after");
  assert.deepEqual(statuses, [503, 503, 200]);
});

test("a damaged row is a ServerError with the engine's own body", async () => {
  const { id } = await client.applications.create({ name: "damaged" });
  await fetch(`${process.env.LOCK_URL}/damage`);
  try {
    await assert.rejects(client.applications.get(id), (thrown) => {
      assert.ok(thrown instanceof sdk.ServerError && thrown.requestId);
      const message = "Something went wrong on our side";
      assert.deepEqual(thrown.body, { statusCode: 500, error: "Internal Server Error", message });
      return true;
    });
  } finally {
    await fetch(`${process.env.LOCK_URL}/mend`);
  }
  assert.equal((await client.applications.get(id)).name, "damaged");
});

/** What the operator does, who has a token and no SDK. */
async function operators(path, body) {
  const answer = await fetch(`${process.env.VOYLO_API_URL}/v1/admin/${path}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${process.env.ADMIN_TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.text());
}

async function payIn(amount) {
  const { accountId } = await client.billing.get();
  await operators(`accounts/${accountId}/wallet/adjust`, { amount, note: "Paid" });
}

/** The error with which the wallet does not cover something. */
async function unpaid(promise) {
  const thrown = await promise.then(() => undefined, (error) => error);
  assert.ok(thrown instanceof sdk.PaymentRequiredError);
  assert.deepEqual([thrown.status, thrown.body.error], [402, "Payment Required"]);
  return thrown;
}

test("billing", async () => {
  assert.equal((await client.billing.get()).plan, null);
  assert.equal((await client.billing.getWallet()).balance, "0.0000");
  assert.equal((await client.billing.createWalletTopup({ amount: "5.0000" })).status, "pending");
  assert.deepEqual(await client.billing.listWalletTransactions().toArray(), []);
  assert.ok(Array.isArray((await client.billing.getUsage({ groupBy: "day" })).rows));
  const [small, large] = await client.plans.list();
  assert.deepEqual([small.code, large.monthlyPrice], ["small", "99.0000"]);
  assert.deepEqual(await client.plans.get(small.id), small);
  assert.equal((await client.billing.setWallet({ lowBalanceThreshold: "7.5000" })).lowBalanceThreshold, "7.5000");
  await assert.rejects(client.billing.changePlan({ planId: UNKNOWN }), sdk.BadRequestError);
  await unpaid(client.billing.changePlan({ planId: large.id }));
  await payIn("100");
  await client.billing.changePlan({ planId: large.id });
  assert.equal((await client.billing.get()).plan.code, "large");
  const posted = await client.billing.listWalletTransactions().toArray();
  assert.deepEqual(posted.map(({ amount }) => amount), ["-99.0000", "100.0000"]);
  await fetch(`${process.env.LOCK_URL}/invoices`);
  const [invoice] = await client.billing.listInvoices().toArray();
  assert.equal((await client.billing.getInvoice(invoice.id)).id, invoice.id);
  const pdf = await client.billing.getInvoicePdf(invoice.id);
  assert.equal(new TextDecoder().decode(pdf.slice(0, 5)), "%PDF-");
});

test("rentals", async () => {
  const [country] = await client.rentals.listCountries();
  assert.deepEqual([country.country, country.kyc.documents[0].name], ["AE", "passport"]);
  const { rentalId } = (await unpaid(client.rentals.create({ country: "AE", channels: 2 }))).body;
  const waiting = await client.rentals.get(rentalId);
  assert.deepEqual([waiting.status, waiting.monthlyPrice], ["pending_payment", "30.0000"]);
  await unpaid(client.rentals.pay(rentalId));
  await payIn("80");
  assert.equal((await client.rentals.pay(rentalId)).status, "draft");
  const dataBase64 = Buffer.from("%PDF-1.4\n").toString("base64");
  const passport = { name: "passport", filename: "passport.pdf", contentType: "application/pdf", dataBase64 };
  const given = await client.rentals.setKyc(rentalId, {
    fields: { companyName: "Example Ltd" },
    documents: [passport],
  });
  assert.deepEqual([given.status, given.kyc.missing, given.kyc.documents[0].sizeBytes], ["in_review", [], 9]);
  await operators(`rentals/${rentalId}/approve`, { e164: "+97142345679" });
  const live = await client.rentals.get(rentalId);
  assert.deepEqual([live.status, live.e164], ["active", "+97142345679"]);
  assert.equal((await client.numbers.get(live.numberId)).kind, "rental");
  assert.equal((await client.rentals.update(rentalId, { channels: 3 })).channels, 3);
  assert.deepEqual((await client.rentals.list().toArray()).map(({ id }) => id), [rentalId]);
  await client.rentals.delete(rentalId);
  assert.equal((await client.rentals.resume(rentalId)).status, "active");
  assert.equal((await client.rentals.create({ country: "AE", channels: 1 })).status, "draft");
});

after(() => {
  assert.deepEqual(client.all.filter((name) => !used.has(name)), []);
  const withWorkspace = sent.filter((headers) => headers["X-Workspace-Id"] !== undefined);
  assert.ok(sent.length > 300);
  assert.equal(withWorkspace.length, sent.length);
});
