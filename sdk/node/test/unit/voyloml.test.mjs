// The builder: what it writes, and what it refuses. Whether the linter agrees is tested from Python.

import assert from "node:assert/strict";
import { test } from "node:test";

import { VoyloMLError, VoyloResponse } from "../../dist/esm/index.js";

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>';

function refuses(build, message) {
  assert.throws(build, (thrown) => {
    assert.ok(thrown instanceof VoyloMLError, String(thrown));
    assert.equal(thrown.message, message);
    return true;
  });
}

test("verbs chain and a gather holds its prompts", () => {
  const response = new VoyloResponse();
  response.say("Welcome & hello").gather({ action: "/menu?a=1&b=2", numDigits: 1 }).say("Press 1").pause({ length: 2 });
  response.play({ digits: "1w2" }).hangup();
  assert.equal(
    response.toString(),
    `${DECLARATION}<Response><Say>Welcome &amp; hello</Say>` +
      '<Gather action="/menu?a=1&amp;b=2" numDigits="1"><Say>Press 1</Say><Pause length="2"/></Gather>' +
      '<Play digits="1w2"/><Hangup/></Response>',
  );
  assert.equal(`${new VoyloResponse()}`, `${DECLARATION}<Response/>`);
});

test("a dial takes a target, or the parties inside", () => {
  const options = { record: true, sipHeaders: { "X-A": "1", B: "2" } };
  const chained = new VoyloResponse().dial("+20223456789", options).hangup();
  assert.equal(
    chained.toString(),
    `${DECLARATION}<Response><Dial record="true" sipHeaders="X-A=1,B=2">+20223456789</Dial><Hangup/></Response>`,
  );
  const nested = new VoyloResponse().dial({ timeout: 20 }).number("+20223456789").agent("ali");
  nested.agent().identity("mona").parameter({ name: "vip", value: "" });
  assert.equal(
    nested.toString(),
    `${DECLARATION}<Response><Dial timeout="20"><Number>+20223456789</Number><Agent>ali</Agent>` +
      '<Agent><Identity>mona</Identity><Parameter name="vip" value=""/></Agent></Dial></Response>',
  );
});

test("options are written in one order, lists with spaces", () => {
  const written = (options) => new VoyloResponse().gather(options).toString();
  const input = ["dtmf", "speech"];
  assert.equal(written({ input, numDigits: 2 }), written({ numDigits: 2, input }));
  assert.match(written({ input }), /<Gather input="dtmf speech"\/>/);
});

test("wrong values are refused in the words of the linter", () => {
  const response = new VoyloResponse();
  refuses(() => response.gather({ numDigits: 65 }), "numDigits must be 1 to 64, not '65'");
  refuses(() => response.gather({ bargeIn: "maybe" }), "bargeIn must be true or false, not 'maybe'");
  const form = "an http or https URL, absolute or relative";
  refuses(() => response.play("ftp://x/a.wav"), `the text of <Play> must be ${form}, not 'ftp://x/a.wav'`);
  const carried = "must not carry a user name or password: 'https://u:p@h/'";
  refuses(() => response.redirect("https://u:p@h/"), `the text of <Redirect> ${carried}`);
  refuses(() => response.say(""), "<Say> must contain the text to speak");
  refuses(() => response.say("a".repeat(4001)), "the text of <Say> has at most 4000 characters, not 4001");
  refuses(() => response.say("Hi", { Voice: "a" }), "<Say> has no attribute 'Voice'; did you mean voice?");
  refuses(() => response.stream({}), "url is required: WebSocket to connect to");
  refuses(() => response.dial(20223456789), "The options of <Dial> must be an object, not '20223456789'");
  refuses(() => response.say("a\u0000b"), "the text of <Say> contains a character that XML cannot carry");
  refuses(() => response.say("a\ud800"), "the text of <Say> contains a character that XML cannot carry");
  const comma = { sipHeaders: { "X-A": "1,2" } };
  refuses(() => response.dial(comma), "sipHeaders: the value of X-A must not contain a comma");
  assert.equal(response.toString(), `${DECLARATION}<Response/>`);
});

test("values with placeholders cannot be judged and pass", () => {
  const text = new VoyloResponse().dial("{{ target }}", { callerId: "{{from}}" }).toString();
  assert.match(text, /<Dial callerId="{{from}}">{{ target }}<\/Dial>/);
});

test("wrong nesting is refused", () => {
  const dial = new VoyloResponse().dial();
  dial.conference("room");
  refuses(() => dial.conference("room"), "<Dial> may contain only one <Conference>");
  refuses(() => dial.number("+20223456789"), "<Conference> must be the only element in <Dial>");
  const parties = new VoyloResponse().dial().number("+20223456789");
  refuses(() => parties.queue("q"), "<Queue> must be the only element in <Dial>");
  assert.equal(new VoyloResponse().gather().dial, undefined);
});

test("what is incomplete or too large is refused when written", () => {
  const empty = new VoyloResponse();
  empty.dial();
  refuses(() => empty.toString(), "<Dial> must contain a phone number or a SIP URI");
  const unconnected = new VoyloResponse();
  unconnected.connect();
  refuses(() => unconnected.toString(), "<Connect> must contain a <Stream>");
  const nobody = new VoyloResponse();
  nobody.dial().agent().parameter({ name: "a", value: "b" });
  refuses(() => nobody.toString(), "<Agent> must contain a <Identity>");
  const long = new VoyloResponse();
  for (let count = 0; count < 200; count += 1) long.hangup();
  refuses(() => long.toString(), "A document has at most 200 elements, not 201");
  const wide = new VoyloResponse();
  for (let count = 0; count < 70; count += 1) wide.say("ب".repeat(2000));
  assert.throws(() => wide.toString(), /at most 262144 bytes/);
});

test("whitespace in attributes survives", () => {
  const text = new VoyloResponse().gather({ hints: 'a "b"\n\tc <d>' }).toString();
  assert.match(text, /hints="a &quot;b&quot;&#10;&#9;c &lt;d&gt;"/);
});
