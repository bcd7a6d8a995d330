/**
 * The load generator, in a separate process so that its time is not the server's: each message is a `Traffic`, each
 * answer the results, one list per client. It parses streams as little as possible, since it shares the server's cores.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import type { Answered, Ask, Client, Traffic } from "./traffic.ts";

process.on("message", async ({ clients, url }: Traffic) => {
  const run = new Run(url, clients.filter(({ last }) => !last).length);
  process.send!(await Promise.all(clients.map((client) => run.answersTo(client))));
});
process.send!("ready");

/** Runs clients side by side. */
class Run {
  readonly #started = performance.now();
  readonly #streaming = new Set<Client>();
  readonly #all: Promise<void>;
  #stream!: (client: Client) => void;

  /** `others`: the number of clients without `last`. */
  constructor(
    private readonly url: string,
    others: number,
  ) {
    this.#all = new Promise((resolve) => {
      this.#stream = (client) => void (this.#streaming.add(client).size === others && resolve());
    });
  }

  async answersTo(client: Client): Promise<Answered[]> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    if (client.last) await this.#all;
    const answered: Answered[] = [];
    for (const ask of client.asks) answered.push(await this.#answerTo(ask, agent, () => this.#stream(client)));
    agent.destroy();
    return answered;
  }

  async #answerTo({ path, body }: Ask, agent: Agent, begun: () => void): Promise<Answered> {
    const now = () => performance.now() - this.#started;
    const sent = now();
    const response = await post(new URL(path, this.url), JSON.stringify(body), agent);
    const events: number[] = [];
    const parts: Buffer[] = [];
    for await (const part of response as AsyncIterable<Buffer>) {
      const at = now();
      for (let i = part.indexOf(EVENT); i >= 0; i = part.indexOf(EVENT, i + EVENT.length)) events.push(at);
      if (parts.push(part) === 1) begun();
    }
    const text = Buffer.concat(parts).toString();
    const stream = response.headers["content-type"]?.startsWith("text/event-stream");
    return {
      ...{ status: response.statusCode!, sent, ended: now() },
      // The last event only marks the end.
      ...(stream ? { events: events.slice(0, -1), body: lastEvent(text) } : { events: [], body: JSON.parse(text) }),
    };
  }
}

const EVENT = "data: ";
const lastEvent = (text: string) => JSON.parse(text.split("\n\n").at(-3)!.slice(EVENT.length));

function post(url: URL, body: string, agent: Agent): Promise<IncomingMessage> {
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    request(url, { method: "POST", headers, agent }, resolve).on("error", reject).end(body);
  });
}
