import type { CutReason } from "../../engine/decode/answer/cut.ts";
import type { JsonObject } from "../../weights/json.ts";
import { type Call, type Endpoint, isAsking } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Events } from "../http/stream.ts";
import { billFor, type ServerContext } from "../server-context.ts";
import { choicesOf } from "./exchange.ts";
import type { ReceivedRequest } from "./fields.ts";
import type { Destination } from "./fleet.ts";
import { type ForwardedRequest, forwarded } from "./outgoing.ts";
import { RemoteUsage } from "./remote-usage.ts";
import { type RequestSize, requestSizeOf } from "./request-size.ts";
import { brokeOff } from "./unavailable.ts";

/**
 * Forwards a request for a remote model; its answer arrives under the requested name, with a receipt. Undefined for a
 * local model.
 * @throws HttpError
 */
function proxied(
  context: ServerContext,
  it: Endpoint,
  received: Readonly<Record<keyof ReceivedRequest, unknown>>,
  call: Call,
): Promise<object> | Events | undefined {
  if (!isAsking(it) || it.translates) return undefined;
  const request = received as ReceivedRequest;
  const destination = context.fleet.find(String(request.input["model"]));
  if (!destination) return undefined;
  return new ProxiedRequest(context, destination, it.paths[0]!, request, call).answer();
}

/** Answers a request: from other servers if its model is remote, else from this server. @throws HttpError */
export async function answerOf(
  context: ServerContext,
  it: Endpoint,
  request: Readonly<Record<keyof ReceivedRequest, unknown>>,
  call: Call,
): Promise<object | Events | Response> {
  return (await proxied(context, it, request, call)) ?? it.handle(request.input, call);
}

/** A request answered by other servers. */
class ProxiedRequest {
  readonly #forwarded: ForwardedRequest;
  readonly #usage: RemoteUsage;
  readonly #streams: boolean;
  readonly #wantsUsage: boolean;
  /** Aborted at the request's deadline. */
  readonly #late: AbortSignal;
  /** Aborted when the request's answers must end at once. */
  readonly #ends: AbortSignal;

  constructor(
    private readonly context: ServerContext,
    private readonly to: Destination,
    private readonly path: string,
    private readonly request: ReceivedRequest,
    private readonly call: Call,
  ) {
    const { input } = request;
    const { name, kind } = to.remote.options;
    const size = requestSizeOf(path, input, kind);
    if (!size)
      throw new HttpError(400, `${name} runs on servers with OpenAI's API, which has no ${path}`, { param: "model" });
    this.#forwarded = forwarded(to, path, request, this.#within(size), context.limits, call.key?.terms);
    this.#usage = new RemoteUsage(to.remote, size);
    this.#streams = input["stream"] === true;
    this.#wantsUsage = (input["stream_options"] as JsonObject | undefined)?.["include_usage"] === true;
    this.#late = lateAfter(context.limits.maxTime, call.taken);
    this.#ends = AbortSignal.any([context.fleet.cut, this.#late]);
  }

  /** @throws HttpError for a chat that is too long */
  #within(size: RequestSize): RequestSize {
    const { maxPrompt } = this.context.limits;
    if (this.path !== "/v1/chat/completions" || size.characters <= maxPrompt) return size;
    const message = `messages: expected at most ${maxPrompt} characters, got ${size.characters}`;
    throw new HttpError(400, message, { param: "messages" });
  }

  answer(): Promise<object> | Events {
    return this.#streams ? this.#stream() : this.#whole();
  }

  #answer(signal: AbortSignal) {
    const outgoing = { path: this.path, body: this.#forwarded.body, headers: this.call.trace.headers, signal };
    return this.to.remote.answer(outgoing, this.call.key?.id ?? "");
  }

  /** The reason an answer was cut short; undefined if it was not. */
  #cut(reason: string): CutReason | undefined {
    if (this.context.fleet.cut.aborted) return "closing";
    if (this.#late.aborted) return "deadline";
    return reason === "length" ? this.#forwarded.cut : undefined;
  }

  #bill() {
    return billFor(this.context, this.to.remote.options.name, this.call);
  }

  async #whole(): Promise<object> {
    using bill = this.#bill();
    const signal = AbortSignal.any([this.call.signal, this.#ends]);
    for await (const piece of this.#answer(signal)) {
      this.#usage.note(piece);
      const reason = reasonIn(piece.event) ?? "stop";
      bill.add(this.#usage.receipt(this.#cut(reason)));
      return { ...this.#named(piece.event), receipt: bill.close(reason) };
    }
    throw brokeOff(this.to.remote.options.name);
  }

  async *#stream(): Events {
    using bill = this.#bill();
    let [reason, ended] = ["stop", false];
    // The latest event, held back because the last event carries the receipt, and only the stream's end shows which is
    // last.
    let held: JsonObject | undefined;
    try {
      for await (const event of this.#events((answer) => bill.token(answer))) {
        if (held) yield held;
        held = isEnd(event) ? event : undefined;
        reason = reasonIn(event) ?? reason;
        if (!held) yield event;
      }
      ended = true;
    } finally {
      if (ended || this.#usage.begun) bill.add(this.#usage.receipt(this.#cut(reason)));
    }
    yield { ...held, receipt: bill.close(reason) };
  }

  /** The servers' events; if this server stops, a final event for each open answer. */
  async *#events(onText: (answer: number) => void): AsyncGenerator<JsonObject, void> {
    let latest: JsonObject | undefined;
    const open = new Set<unknown>();
    try {
      const signal = AbortSignal.any([this.call.signal, this.#ends]);
      for await (const piece of this.#answer(signal)) {
        if (this.#usage.note(piece)) for (const { index } of choicesOf(piece.event)) onText(Number(index));
        latest = piece.event;
        for (const { index, finish_reason } of choicesOf(latest)) finish_reason ? open.delete(index) : open.add(index);
        const event = this.#withUsage(this.#named(latest));
        if (event) yield event;
      }
    } catch (error) {
      if (!this.#ends.aborted || !latest) throw error;
      const piece = this.path === "/v1/completions" ? { text: "" } : { delta: {} };
      const choices = [...open].map((index) => ({ index, ...piece, logprobs: null, finish_reason: "length" }));
      yield { ...this.#named(latest), choices };
    }
  }

  #named({ receipt: _, ...event }: JsonObject): JsonObject {
    return { ...event, model: this.request.input["model"] };
  }

  /** Usage is always requested from the servers; it is hidden from a client that did not request it. */
  #withUsage({ usage, ...event }: JsonObject): JsonObject | undefined {
    if (this.#wantsUsage) return { ...event, usage: usage ?? null };
    return choicesOf(event).length > 0 ? event : undefined;
  }
}

/** A signal that aborts `seconds` after `start`, if set. */
export function lateAfter(seconds: number | undefined, start: number): AbortSignal {
  const late = new AbortController();
  const end = () => late.abort(new HttpError(503, `no answer within ${seconds} seconds`, { code: "deadline" }));
  if (seconds !== undefined) setTimeout(end, start + 1000 * seconds - performance.now()).unref();
  return late.signal;
}

const isEnd = (event: JsonObject): boolean =>
  choicesOf(event).length === 0 || choicesOf(event).some(({ finish_reason: reason }) => Boolean(reason));

/**
 * Finish reasons of OpenAI's API and of this server. Other servers' values would make the number of metric labels
 * unlimited.
 */
const reasons = ["stop", "length", "repetition", "tool_calls", "content_filter"];

function reasonIn(event: JsonObject): string | undefined {
  const reason = choicesOf(event).find(({ finish_reason }) => finish_reason)?.["finish_reason"];
  if (reason === undefined) return undefined;
  return reasons.includes(String(reason)) ? String(reason) : "other";
}
