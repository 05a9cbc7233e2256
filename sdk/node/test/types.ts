/** What must compile, and, where it says so, what must not. Never run. */

import { VoyloApiError, VoyloClient, VoyloResponse, verifySignature, type NumberOut } from "@voylo/sdk";

export async function use(client: VoyloClient): Promise<void> {
  const call = await client.calls.create({ from: "+1", to: "+2", applicationId: "a", variables: { a: 1 } });
  const status: "dialing" = call.status;
  for await (const number of client.numbers.list({ search: "a" })) {
    const one: NumberOut = number;
    console.log(one.e164, status);
  }
  for await (const each of client.calls.list()) {
    if (each.pending) console.log(each.pendingStatus);
    else console.log(each.durationS);
  }
  const none: void = await client.trunks.inbound.delete("a");
  console.log(none);
  // @ts-expect-error: applicationId is required
  await client.calls.create({ from: "+1", to: "+2" });
  // @ts-expect-error: there is no such member
  await client.numbers.update("a", { colour: "red" });
  // @ts-expect-error: a number is no id
  await client.numbers.get(1);
  // @ts-expect-error: not a direction
  client.calls.list({ direction: "sideways" });
}

export function build(): string {
  const response = new VoyloResponse();
  response.gather({ numDigits: 1, input: ["dtmf", "speech"], speechTimeout: "auto" }).say("a").pause();
  response.say("a").dial("+20223456789").hangup();
  response.dial({ timeout: 20 }).number("+20223456789", { sendDigits: "1" }).sip("sip:a@example.com");
  response.dial().conference("room", { beep: "onEnter" });
  // @ts-expect-error: a Gather holds no Dial
  response.gather().dial("+20223456789");
  // @ts-expect-error: no such option
  response.say("a", { volume: 3 });
  // @ts-expect-error: url is required
  response.stream({ track: "both" });
  // @ts-expect-error: not a strategy
  response.dial({ strategy: "random" });
  return response.toString();
}

export function receive(body: Uint8Array, header: string | undefined): boolean {
  return verifySignature(["old", "new"], body, header, { tolerance: 60 });
}

export function told(error: unknown): string[] {
  return error instanceof VoyloApiError ? error.fields.map(({ field }) => `${error.status} ${field}`) : [];
}
