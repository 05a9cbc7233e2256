// What the types say, for `tsd`.

import { expectAssignable, expectError, expectNotAssignable, expectType } from "tsd";

import {
  document,
  List,
  parseAction,
  receiveEvent,
  Speech,
  verifySignature,
  VoyloApiError,
  VoyloClient,
  VoyloResponse,
  type ActionRequest,
  type CallPlaced,
  type CallRecord,
  type KnownEvent,
  type NumberOut,
  type PendingCall,
  type VoyloEvent,
} from "../../dist/cjs/index.js";

const client = new VoyloClient({ apiKey: null, baseUrl: "http://localhost" });

expectType<Promise<CallPlaced>>(client.calls.create({ from: "+1", to: "+2", applicationId: "a", variables: { a: 1 } }));
expectType<Promise<PendingCall | CallRecord>>(client.calls.get("cl_a1b2c3d4e5f6"));
expectType<List<NumberOut>>(client.numbers.list({ search: "a" }));
expectType<Promise<void>>(client.trunks.inbound.delete("a"));
expectType<Promise<Uint8Array>>(client.recordings.getAudio("a"));
expectError(client.calls.create({ from: "+1", to: "+2" }));
expectError(client.numbers.update("a", { colour: "red" }));
expectError(client.numbers.get(1));
expectError(client.calls.list({ direction: "sideways" }));

const response = new VoyloResponse();
expectType<VoyloResponse>(response.say("a"));
expectType<VoyloResponse>(response.say(new Speech("a").break({ time: "1s" }).sayAs("1", { interpretAs: "digits" })));
expectType<string>(response.gather({ numDigits: 1, input: ["dtmf", "speech"] }).say("a").toString());
expectError(response.gather().dial("+20223456789"));
expectError(response.say("a", { volume: 3 }));
expectError(response.play(new Speech("a")));
expectError(response.stream({ track: "both" }));
expectError(response.dial({ strategy: "random" }));
expectError(new Speech().emphasis("a", { level: "very" }));

declare const event: VoyloEvent;
expectType<VoyloEvent>(receiveEvent(["a", "b"], new Uint8Array(), undefined, { tolerance: 60 }));
if (event.event === "call.completed") {
  expectType<number>(event.duration_s);
  expectType<string | null>(event.recording_url);
} else if (event.event === "call.placed") {
  expectType<number | null>(event.duration_s);
  expectType<string | number | boolean>(event.variables["a"]);
} else if (event.event === "webhook.test") {
  expectType<string>(event.data.webhook_id);
} else if (event.event === "recording.completed") {
  expectType<"call" | "record" | "dial" | "conference">(event.recording_source);
  expectType<number>(event.recording_duration_s);
} else if (event.event === "trunk.destination.down" || event.event === "trunk.destination.up") {
  expectType<"up" | "down">(event.data.state);
  expectType<number | null>(event.data.latency_ms);
} else if (event.event === "trunk.registered" || event.event === "trunk.unregistered") {
  expectType<string>(event.data.source_ip);
} else if (event.event === "number.activated") {
  expectType<string>(event.data.e164);
} else if (event.event === "rental.kyc.updated") {
  expectType<string | null>(event.data.note);
  expectError(event.data.e164);
} else if (event.event === "wallet.low") {
  expectType<string>(event.data.balance);
} else if (event.event === "unknown") {
  expectType<string>(event.name);
  expectNotAssignable<KnownEvent>(event);
}
expectType<ActionRequest>(parseAction("a=b"));
expectType<string | undefined>(parseAction("a=b").digits);
expectAssignable<string>(parseAction("a=b").step);
expectType<string>(document(response));
expectError(document(7));
expectError(receiveEvent("a", {}, undefined));
expectType<boolean>(verifySignature("a", "b", ["c"]));

declare const error: VoyloApiError;
expectType<number>(error.status);
expectType<unknown>(error.body);
expectError((error.status = 3));
