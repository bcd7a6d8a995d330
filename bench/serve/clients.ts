/**
 * The load generator, in a process of its own so that its time is not the server's: each message is a `Traffic`, each answer what came of it,
 * a list for each client. It looks at streams only as far as it must, since it shares the server's cores.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import type { Answered, Ask, Client, Traffic } from "./traffic.ts";

process.on("message", async (traffic: Traffic) => {
  const started = performance.now();
  process.send!(await Promise.all(traffic.clients.map((client) => answersTo(client, traffic.url, started))));
});
process.send!("ready");

async function answersTo({ asks, after = 0 }: Client, url: string, started: number): Promise<Answered[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  if (after > 0) await new Promise((resolve) => setTimeout(resolve, after));
  const answered: Answered[] = [];
  for (const ask of asks) answered.push(await answerTo(ask, url, agent, started));
  agent.destroy();
  return answered;
}

async function answerTo({ path, body }: Ask, url: string, agent: Agent, started: number): Promise<Answered> {
  const now = () => performance.now() - started;
  const sent = now();
  const response = await post(new URL(path, url), JSON.stringify(body), agent);
  const events: number[] = [];
  const parts: Buffer[] = [];
  for await (const part of response as AsyncIterable<Buffer>) {
    const at = now();
    for (let i = part.indexOf(EVENT); i >= 0; i = part.indexOf(EVENT, i + EVENT.length)) events.push(at);
    parts.push(part);
  }
  const text = Buffer.concat(parts).toString();
  const stream = response.headers["content-type"]?.startsWith("text/event-stream");
  return {
    ...{ status: response.statusCode!, sent, ended: now() },
    // The last one says that all is done.
    ...(stream ? { events: events.slice(0, -1), body: lastEvent(text) } : { events: [], body: JSON.parse(text) }),
  };
}

const EVENT = "data: ";
const lastEvent = (text: string) => JSON.parse(text.split("\n\n").at(-3)!.slice(EVENT.length));

function post(url: URL, body: string, agent: Agent): Promise<IncomingMessage> {
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    request(url, { method: "POST", headers, agent }, resolve).on("error", reject).end(body);
  });
}
