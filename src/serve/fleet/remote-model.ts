import type { CutReason } from "../../engine/decode/answer/cut.ts";
import type { FinishReason } from "../../engine/decode/answer/generate.ts";
import type { Prompt } from "../../engine/decode/language-model.ts";
import type { RunOptions } from "../../index.ts";
import type { CalledModel, CallTerms, ModelPiece, PricedAnswer } from "../../pipelines/model.ts";
import { isObject, type JsonObject } from "../../weights/json.ts";
import type { Call } from "../http/endpoint.ts";
import type { ServerContext } from "../server-context.ts";
import { choicesOf } from "./exchange.ts";
import type { Destination } from "./fleet.ts";
import { forwarded } from "./outgoing.ts";
import { lateAfter } from "./proxy.ts";
import { RemoteUsage } from "./remote-usage.ts";
import { guessedTokens, type RequestSize, requestSizeOf } from "./request-size.ts";

/** A request to an endpoint: the path and the request's fields. */
export interface EndpointRequest {
  readonly path: string;
  readonly input: JsonObject;
}

/** A pipeline's model that runs on other servers: each answer is a stream from one of these servers. */
export class RemoteModel implements CalledModel<RunOptions> {
  constructor(
    private readonly context: Pick<ServerContext, "limits" | "fleet">,
    private readonly to: Destination,
    private readonly posted: EndpointRequest,
    private readonly call: Call,
  ) {}

  async *generate(prompt: Prompt, options: RunOptions & CallTerms): AsyncGenerator<ModelPiece, void> {
    const { remote } = this.to;
    const { path } = this.posted;
    const { key, trace, signal: gone } = this.call;
    const [input, size] = this.#requestFor(prompt, options);
    const { body, cut } = forwarded(this.to, path, { body: input, input }, size, this.context.limits, key?.terms);
    const usage = new RemoteUsage(remote, size);
    const ends = this.#ends();
    const signal = AbortSignal.any([options.signal ?? gone, ends]);
    let [reason, ended, begun]: [FinishReason, boolean, boolean] = ["stop", false, false];
    try {
      for await (const piece of remote.answer({ path, body, headers: trace.headers, signal }, key?.id ?? "")) {
        usage.note(piece);
        const [choice = {}] = choicesOf(piece.event);
        reason = reasonOf(choice) ?? reason;
        const text = textOf(choice);
        begun ||= text !== "";
        if (text !== "") yield { text, tokens: [] };
      }
      ended = true;
    } catch (error) {
      // If this server cuts off an answer that has begun, the answer ends normally.
      if (!begun || !ends.aborted || options.signal?.aborted) throw error;
      [reason, ended] = ["length", true];
    } finally {
      if (!ended && usage.begun) options.onStopped?.(usage.receipt());
    }
    const receipt = usage.receipt(ends.aborted ? this.#cut : reason === "length" ? cut : undefined);
    yield { text: "", tokens: [], finishReason: reason, receipt };
  }

  /** Aborted when the request's time is up or the server stops. */
  #ends(): AbortSignal {
    const { fleet, limits } = this.context;
    return AbortSignal.any([fleet.cut, lateAfter(limits.maxTime, this.call.taken)]);
  }

  get #cut(): CutReason {
    return this.context.fleet.cut.aborted ? "closing" : "deadline";
  }

  price(prompt: Prompt, { tokens }: PricedAnswer, options: RunOptions, share: number) {
    const [, size] = this.#requestFor(prompt, options);
    const read = guessedTokens(size);
    const lengths = { prompt: read, cached: Math.floor(share * read), completion: tokens, answers: 1 };
    const cost = this.to.remote.options.shape?.generated(lengths);
    return cost && { ...cost, prompt: read };
  }

  /** The request fields for one streamed answer to this prompt. */
  #requestFor(prompt: Prompt, { seed }: RunOptions): [JsonObject, RequestSize] {
    const { path, input } = this.posted;
    const { best_of: _, echo: __, n: ___, ...rest } = input;
    const own = path === "/v1/completions" ? { prompt } : {};
    const body = { ...rest, ...own, stream: true, ...(seed !== undefined && { seed }) } as JsonObject;
    return [body, requestSizeOf(path, body, this.to.remote.options.kind)!];
  }
}

/** Undefined if there is no reason, or if the model itself ended its answer. */
function reasonOf({ finish_reason: reason }: JsonObject): FinishReason | undefined {
  return reason === "length" || reason === "repetition" ? reason : undefined;
}

/** The text in a piece of a completion or a chat. */
function textOf({ text, delta }: JsonObject): string {
  const content = isObject(delta) ? delta["content"] : text;
  return typeof content === "string" ? content : "";
}
