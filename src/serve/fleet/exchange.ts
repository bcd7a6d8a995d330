import { isObject, type JsonObject, jsonIn } from "../../weights/json.ts";
import { HttpError } from "../http/errors.ts";
import { type Backend, reasonOf } from "./backend.ts";
import { DONE, eventsOf, type Reply } from "./transport.ts";
import { Unavailable } from "./unavailable.ts";

/** The request sent to a server. */
export interface Outgoing {
  readonly path: string;
  readonly body: JsonObject;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * One server's answer: its events if it streams, else a single object.
 * @throws Unavailable if another server may succeed, HttpError if the request is invalid, or the signal's reason
 */
export async function* exchange(backend: Backend, { body, ...sent }: Outgoing): AsyncGenerator<JsonObject, void> {
  try {
    const headers = { "content-type": "application/json", ...sent.headers };
    const reply = await backend.send(sent.path, { ...sent, method: "POST", headers, body: JSON.stringify(body) });
    if (reply.status !== 200) throw refusal(reply, await reply.body.text());
    if (body["stream"] === true) yield* events(backend, reply);
    else yield object(await reply.body.text());
  } catch (error) {
    sent.signal.throwIfAborted();
    throw error instanceof HttpError || error instanceof Unavailable ? error : new Unavailable("down", reasonOf(error));
  }
}

async function* events(backend: Backend, { body }: Reply): AsyncGenerator<JsonObject, void> {
  const open = new Set<unknown>();
  let begun = false;
  for await (const data of eventsOf(body)) {
    backend.alive();
    if (data === DONE) return;
    const event = object(data);
    if (event["error"]) throw new Unavailable("fault", messageIn(event) ?? "it sent an error");
    for (const { index, finish_reason: reason } of choicesOf(event)) {
      begun = true;
      if (reason) open.delete(index);
      else open.add(index);
    }
    yield event;
  }
  // Some servers do not send a final event.
  if (!begun || open.size > 0) throw new Unavailable("down", "the stream broke off");
}

export const choicesOf = ({ choices }: JsonObject): JsonObject[] =>
  Array.isArray(choices) ? choices.filter(isObject) : [];

/** True if a streamed piece contains text or a tool call, not only the role. */
export function saysMore({ delta, text }: JsonObject): boolean {
  const { role: _, ...more } = isObject(delta) ? delta : {};
  return (
    Boolean(text) ||
    Object.values(more).some((value) => Boolean(value) && !(Array.isArray(value) && value.length === 0))
  );
}

function object(text: string): JsonObject {
  const value = jsonIn(text);
  if (isObject(value)) return value;
  throw new Unavailable("fault", "its answer is not JSON");
}

/** Statuses that concern the server, not the request. */
const OF_THE_SERVER = new Set([401, 403, 404, 405, 408]);

function refusal({ status, headers }: Reply, text: string): Unavailable | HttpError {
  const answer = jsonIn(text);
  const message = isObject(answer) ? messageIn(answer) : undefined;
  if (status === 429) return new Unavailable("busy", "its queue is full", Number(headers["retry-after"]) || 1);
  if (status === 503) return new Unavailable("down", message ?? "it answered 503");
  if (status >= 500 || status < 400 || OF_THE_SERVER.has(status))
    return new Unavailable("fault", `it answered with the status ${status}: ${message ?? "no reason"}`);
  const param = isObject(answer) && isObject(answer["error"]) ? answer["error"]["param"] : undefined;
  const details = typeof param === "string" ? { param } : {};
  return new HttpError(
    status === 413 ? 413 : 400,
    message ?? `the server refused the request (status ${status})`,
    details,
  );
}

const LONGEST_MESSAGE = 500;

/** The message in an error from OpenAI, an older vLLM, or FastAPI. */
function messageIn({ error, message, detail }: JsonObject): string | undefined {
  const inner = isObject(error) ? error["message"] : error;
  const reason = [inner, message, detail].find((m) => typeof m === "string") ?? (detail && JSON.stringify(detail));
  return typeof reason === "string" ? reason.slice(0, LONGEST_MESSAGE) : undefined;
}
