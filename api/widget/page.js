// The phone of one agent: buys SIP credentials with the token of its address, registers over WebSocket, and calls and
// is called with the browser's own WebRTC. Whoever frames it gives it commands and hears of what happens by postMessage.
import { Inviter, Registerer, RegistererState, SessionState, UserAgent } from "./sip.min.js";

const RENEW_SECONDS = 45 * 60; // the credentials hold for an hour
const RETRY_SECONDS = 5;
const GATHERING_MS = 500;
const AUDIO = { constraints: { audio: true, video: false }, iceGatheringTimeout: GATHERING_MS };

const part = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token") ?? "";
let agent = null;
let domain = "";
let session = null;
let ready = false;
let stale = false;
let renewal;
let muted = false;

function tell(event, detail = {}) {
  if (window.parent !== window) window.parent.postMessage({ voylo: event, detail }, "*");
}

function say(text) {
  part("state").textContent = text;
}

function show() {
  const state = session?.state;
  const ringing = session !== null && !(session instanceof Inviter) && state === SessionState.Initial;
  part("call").hidden = session !== null;
  part("call").disabled = !ready;
  part("answer").hidden = part("decline").hidden = !ringing;
  part("hangup").hidden = session === null || ringing;
  part("mute").hidden = state !== SessionState.Established;
  part("mute").setAttribute("aria-pressed", String(muted));
}

function fail(message) {
  say(message);
  tell("error", { message });
}

async function line() {
  const answer = await fetch("v1/agent-widget/exchange", { method: "POST", headers: { authorization: `Bearer ${token}` } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message ?? `the server answers ${answer.status}`);
  if (body.wsUri === null) throw new Error("The server has no WebSocket for phones (sip.ws, sip.wss)");
  return body;
}

async function connect() {
  stale = false;
  try {
    const { wsUri, sipUri, username, password, iceServers } = await line();
    const uri = UserAgent.makeURI(sipUri);
    domain = sipUri.split("@").pop();
    await agent?.stop();
    agent = new UserAgent({
      uri,
      transportOptions: { server: wsUri },
      authorizationUsername: username,
      authorizationPassword: password,
      logLevel: "error",
      sessionDescriptionHandlerFactoryOptions: {
        iceGatheringTimeout: GATHERING_MS,
        peerConnectionConfiguration: { iceServers },
      },
      delegate: { onInvite: rung, onDisconnect: (error) => error && lost() },
    });
    await agent.start();
    const registerer = new Registerer(agent);
    registerer.stateChange.addListener((state) => registered(state === RegistererState.Registered));
    await registerer.register({ requestDelegate: { onReject: ({ message }) => refused(message.statusCode) } });
    clearTimeout(renewal); // that of a connection that was lost
    renewal = setTimeout(renew, RENEW_SECONDS * 1000);
  } catch (error) {
    fail(error.message);
    setTimeout(connect, RETRY_SECONDS * 1000);
  }
}

function registered(now) {
  if (now && !ready) tell("ready");
  ready = now;
  if (session === null) say(now ? "Ready" : "Not registered");
  show();
}

function refused(status) {
  fail(`Registration is refused: ${status}`);
}

function lost() {
  ready = false;
  fail("The connection is lost");
  setTimeout(connect, RETRY_SECONDS * 1000);
}

function renew() {
  stale = true;
  if (session === null) connect();
}

function follow(started, direction, number) {
  session = started;
  muted = false;
  session.stateChange.addListener((state) => {
    if (state === SessionState.Established) answered(direction, number);
    if (state === SessionState.Terminated) ended(direction, number);
    show();
  });
  say(direction === "outbound" ? `Calling ${number}` : `${number} calls`);
  tell("ringing", { direction, number });
  show();
}

function rung(invitation) {
  if (session !== null) {
    invitation.reject({ statusCode: 486 });
    return;
  }
  const { displayName, uri } = invitation.remoteIdentity;
  follow(invitation, "inbound", displayName || uri.user);
}

function answered(direction, number) {
  const receivers = session.sessionDescriptionHandler.peerConnection.getReceivers();
  part("ear").srcObject = new MediaStream(receivers.map((receiver) => receiver.track));
  say(`Talking to ${number}`);
  tell("answered", { direction, number });
}

function ended(direction, number) {
  session = null;
  part("ear").srcObject = null;
  say(ready ? "Ready" : "Not registered");
  tell("ended", { direction, number });
  if (stale) connect();
}

const commands = {
  dial({ number }) {
    const called = String(number ?? "").replace(/[^\w.+*#~-]/g, "");
    const target = UserAgent.makeURI(`sip:${encodeURIComponent(called)}@${domain}`);
    if (!ready || session !== null || !called || !target) {
      fail(session === null ? "No call can be made" : "There is a call already");
      return;
    }
    const inviter = new Inviter(agent, target, { sessionDescriptionHandlerOptions: AUDIO });
    follow(inviter, "outbound", called);
    inviter.invite().catch((error) => fail(error.message));
  },
  answer() {
    if (session?.state !== SessionState.Initial || session instanceof Inviter) return;
    session.accept({ sessionDescriptionHandlerOptions: AUDIO }).catch((error) => fail(error.message));
  },
  decline() {
    if (session?.state === SessionState.Initial && !(session instanceof Inviter)) session.reject({ statusCode: 603 });
  },
  hangup() {
    if (session === null) return;
    if (session.state === SessionState.Established) session.bye();
    else if (session instanceof Inviter) session.cancel();
    else session.reject();
  },
  toggleMute() {
    if (session?.state !== SessionState.Established) return;
    muted = !muted;
    for (const sender of session.sessionDescriptionHandler.peerConnection.getSenders()) {
      if (sender.track) sender.track.enabled = !muted;
    }
    show();
  },
};

function press(key) {
  if (session?.state !== SessionState.Established) part("number").value += key;
  else session.sessionDescriptionHandler.peerConnection.getSenders()[0].dtmf.insertDTMF(key);
}

for (const key of "123456789*0#") {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = key;
  button.addEventListener("click", () => press(key));
  part("keys").append(button);
}
part("line").addEventListener("submit", (event) => {
  event.preventDefault();
  commands.dial({ number: part("number").value });
});
for (const name of ["answer", "decline", "hangup"]) part(name).addEventListener("click", () => commands[name]());
part("mute").addEventListener("click", commands.toggleMute);
window.addEventListener("message", ({ source, data }) => {
  // From whoever frames the page, and from nobody else.
  if (source !== window.parent || source === window || typeof data?.voylo !== "string") return;
  if (Object.hasOwn(commands, data.voylo)) commands[data.voylo](data);
});
// Or the other party would wait until its silence is noticed.
window.addEventListener("pagehide", commands.hangup);
connect();
