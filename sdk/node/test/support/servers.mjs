// Small servers for tests: one that answers from a list, and a proxy that loses answers.

import { once } from "node:events";
import { createServer, request } from "node:http";

/** A server that answers each request with the next of `answers`, and the requests it got. */
export async function answering(...answers) {
  const requests = [];
  const server = createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    requests.push({ method: incoming.method, url: incoming.url, headers: incoming.headers, body });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === "lost") return incoming.socket.destroy();
    if (answer === "never") return undefined;
    const { status = 200, headers = {}, json, text } = answer;
    outgoing.writeHead(status, { "content-type": "application/json", ...headers });
    return outgoing.end(text ?? (json === undefined ? "" : JSON.stringify(json)));
  });
  return { ...(await listening(server)), requests };
}

/** A proxy to `target` that passes requests on and loses the first `lost` answers; it notes what it passed on. */
export async function losing(target, lost) {
  const requests = [];
  const server = createServer((incoming, outgoing) => {
    requests.push({ method: incoming.method, url: incoming.url, headers: incoming.headers });
    const lose = requests.length <= lost;
    const onward = request(new URL(incoming.url, target), { method: incoming.method, headers: incoming.headers });
    onward.on("response", (answer) => {
      if (lose) {
        answer.resume();
        answer.on("end", () => incoming.socket.destroy());
      } else {
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      }
    });
    incoming.pipe(onward);
  });
  return { ...(await listening(server)), requests };
}

async function listening(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}
