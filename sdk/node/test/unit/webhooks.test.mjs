// Signatures of contract §13.4.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { verifySignature } from "../../dist/esm/index.js";

const SECRET = "whsec_0123456789";
const BODY = '{"event":"call.completed","text":"مرحبا"}';
const AT = 1_750_000_000;

function v1(secret = SECRET, body = BODY, at = AT) {
  return createHmac("sha256", secret).update(`${at}.${body}`).digest("hex");
}
const HEADER = `t=${AT},v1=${v1()}`;

test("a signature of the secret is accepted, of text and of bytes", () => {
  assert.equal(verifySignature(SECRET, BODY, HEADER, { now: AT }), true);
  assert.equal(verifySignature(SECRET, Buffer.from(BODY), HEADER, { now: AT }), true);
  assert.equal(verifySignature(SECRET, BODY, [HEADER], { now: AT }), true);
});

test("with two signatures either is enough, and with two secrets either", () => {
  const both = `t=${AT},v1=${v1("whsec_old")},v1=${v1("whsec_new")}`;
  for (const secret of ["whsec_old", "whsec_new", ["whsec_other", "whsec_new"]]) {
    assert.equal(verifySignature(secret, BODY, both, { now: AT }), true);
  }
  assert.equal(verifySignature("whsec_other", BODY, both, { now: AT }), false);
});

test("another body, secret or time is refused", () => {
  assert.equal(verifySignature(SECRET, `${BODY} `, HEADER, { now: AT }), false);
  assert.equal(verifySignature("whsec_other", BODY, HEADER, { now: AT }), false);
  assert.equal(verifySignature(SECRET, BODY, `t=${AT + 1},v1=${v1()}`, { now: AT }), false);
});

test("the tolerance holds in both directions and is 300 seconds unless said", () => {
  for (const late of [300, -300]) assert.equal(verifySignature(SECRET, BODY, HEADER, { now: AT + late }), true);
  for (const late of [301, -301]) assert.equal(verifySignature(SECRET, BODY, HEADER, { now: AT + late }), false);
  assert.equal(verifySignature(SECRET, BODY, HEADER, { now: AT + 11, tolerance: 10 }), false);
  assert.equal(verifySignature(SECRET, BODY, HEADER, { now: AT, tolerance: NaN }), false);
  assert.equal(verifySignature(SECRET, BODY, HEADER), false);
  const now = Math.floor(Date.now() / 1000);
  assert.equal(verifySignature(SECRET, BODY, `t=${now},v1=${v1(SECRET, BODY, now)}`), true);
});

test("nothing in a header makes it throw", () => {
  const odd = ["", ",", "t=", "t=x,v1=y", `v1=${v1()}`, `t=-${AT},v1=${v1()}`];
  const cut = [`t=${AT}`, `t=${AT},v1=`, `t=${AT},v1=é`];
  for (const header of [...odd, ...cut, undefined, null, [], "v1=a,".repeat(1000)]) {
    assert.equal(verifySignature(SECRET, BODY, header, { now: AT }), false);
  }
});

test("an empty secret is a mistake of the caller", () => {
  assert.throws(() => verifySignature("", BODY, HEADER, { now: AT }), TypeError);
});
