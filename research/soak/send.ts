import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Ask } from "./asks.ts";

/** The outcome of one request. */
export interface Outcome {
  readonly kind: string;
  /** "left": its client went away; "failed": the connection did. */
  readonly status: number | "left" | "failed";
  /** True if the outcome was the expected one, or the server said that it was full. */
  readonly asExpected: boolean;
  readonly message?: string | undefined;
  /** Present if the request was answered. */
  readonly answered?: {
    readonly receipt: string;
    readonly prompt: number;
    readonly completion: number;
    readonly n: number;
  };
  /** A stream had begun when its client left: it is billed. */
  readonly begun: boolean;
}

interface Said {
  receipt?: { id: string; tokens: { prompt: number; completion: number } };
  usage?: { prompt_tokens: number; completion_tokens: number } | null;
  error?: { message: string };
}

/** Statuses of a server that is full: of its queue, and of its memory. */
const FULL = [429, 503];

/** A client: what it has seen, and how it leaves. */
interface Client {
  readonly leaving: AbortController;
  events: number;
}

/** No request takes so long, on however slow a machine. */
const LONGEST = 300_000;

/** A request is over when its client has left: once in half an hour Node's `fetch` never reports it. */
export async function send(url: string, ask: Ask): Promise<Outcome> {
  const client = { leaving: new AbortController(), events: 0 };
  return Promise.race([answer(url, ask, client), gone(ask, client), late(ask)]);
}

async function gone({ kind }: Ask, client: Client): Promise<Outcome> {
  await once(client.leaving.signal, "abort");
  await sleep(1000);
  return { kind, status: "left", asExpected: true, begun: client.events > 0 };
}

async function late({ kind }: Ask): Promise<Outcome> {
  await sleep(LONGEST, undefined, { ref: false });
  return { kind, status: "failed", asExpected: false, message: "nothing came of it in five minutes", begun: false };
}

async function answer(url: string, ask: Ask, client: Client): Promise<Outcome> {
  const { kind } = ask;
  const { leaving } = client;
  const stop = leaves(ask, leaving);
  try {
    const response = await fetch(url + ask.path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof ask.body === "string" ? ask.body : JSON.stringify(ask.body),
      signal: leaving.signal,
    });
    const said: Said[] = [];
    for await (const one of messages(response)) {
      said.push(one);
      stop(++client.events);
    }
    return outcome(ask, response.status, said);
  } catch (error) {
    const begun = client.events > 0;
    if (leaving.signal.aborted) return { kind, status: "left", asExpected: true, begun };
    return { kind, status: "failed", asExpected: false, message: String(error), begun };
  }
}

/** Makes the client leave at its time; called with each event. */
function leaves({ leaves }: Ask, leaving: AbortController): (events: number) => void {
  if (leaves && "ms" in leaves) setTimeout(() => leaving.abort(), leaves.ms);
  return (events) => void (leaves && "events" in leaves && events >= leaves.events && leaving.abort());
}

/** A stream's events as they come, or the one body. */
async function* messages(response: Response): AsyncGenerator<Said> {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    yield (await response.json()) as Said;
    return;
  }
  let rest = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = (rest + part).split("\n\n");
    rest = events.pop()!;
    for (const event of events) if (event !== "data: [DONE]") yield JSON.parse(event.slice("data: ".length));
  }
}

function outcome({ kind, body, status: expected }: Ask, status: number, said: readonly Said[]): Outcome {
  const last = said.at(-1)!;
  const asExpected =
    (status === expected || (expected === 200 && FULL.includes(status))) && !(status === 200 && last.error);
  const base = { kind, status, asExpected, message: last.error?.message, begun: true };
  if (status !== 200 || !last.receipt) return base;
  const n = typeof body === "object" && "n" in body ? Number(body.n) : 1;
  const { prompt_tokens: prompt, completion_tokens: completion } = last.usage ?? {
    prompt_tokens: last.receipt.tokens.prompt / n,
    completion_tokens: last.receipt.tokens.completion,
  };
  return { ...base, answered: { receipt: last.receipt.id, prompt, completion, n } };
}
