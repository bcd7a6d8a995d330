import type { AnswerLengths, Shape } from "../../engine/bill/shape.ts";
import type { CutReason } from "../../engine/decode/answer/cut.ts";
import { makeReceipt, type Receipt, type ReceiptParts, receiptSchema } from "../../ledger/receipt.ts";
import { isObject, type JsonObject } from "../../weights/json.ts";
import { choicesOf, saysMore } from "./exchange.ts";
import type { FromServer, Remote } from "./remote.ts";
import { guessedTokens, type RequestSize } from "./request-size.ts";

/** A request's usage, collected for its receipt. */
export class RemoteUsage {
  readonly #started = performance.now();
  #first: number | undefined;
  #pieces = 0;
  #usage: JsonObject | undefined;
  #own: Receipt | undefined;
  #server: string | undefined;

  constructor(
    private readonly remote: Remote,
    private readonly size: RequestSize,
  ) {}

  /** Records an event; returns true if the event contains text. */
  note({ event, server }: FromServer): boolean {
    this.#server = server;
    const text = choicesOf(event).some(saysMore);
    if (text) this.#first ??= performance.now();
    if (text) this.#pieces++;
    if (isObject(event["usage"])) this.#usage = event["usage"];
    if (this.remote.options.kind === "modicum" && event["receipt"])
      this.#own = receiptSchema.safeParse(event["receipt"]).data;
    return text;
  }

  /** True if any billable work ran. */
  get begun(): boolean {
    return this.#server !== undefined;
  }

  /**
   * The figures of a Modicum server, marked as estimated; for other servers, an estimate from the model's shape and the
   * token counts that the server reported, which are guessed if the answer was interrupted.
   */
  receipt(cut?: CutReason): Receipt {
    const { name } = this.remote.options;
    const { work, ...figures } = this.#own ? ownFacts(this.#own) : this.#estimate();
    const count = this.size.generates ? this.size.parts : 1;
    const calls = { [name]: { dense: count, run: count } };
    return makeReceipt({
      ...figures,
      ...{ model: name, server: this.#server ?? "none", work: { ...work, calls } },
      // This server has measured nothing itself.
      estimated: true,
      ...(cut && { cut }),
    });
  }

  #estimate() {
    const tokens = this.#tokens();
    const { flops, bytes } = priced(this.remote.options.shape, this.size, tokens);
    return {
      ...{ recipe: [], tokens, ms: this.#times(), work: {} },
      flops: { dense: flops, spent: flops, overhead: 0 },
      bytes: { dense: bytes, spent: bytes },
    };
  }

  #tokens(): Receipt["tokens"] {
    const {
      prompt_tokens: prompt,
      total_tokens: total,
      completion_tokens,
      prompt_tokens_details: details,
    } = this.#usage ?? {};
    const read = count(prompt) ?? count(total) ?? guessedTokens(this.size);
    const cached = isObject(details) ? (count(details["cached_tokens"]) ?? 0) : 0;
    return { prompt: read, cached: Math.min(cached, read), completion: count(completion_tokens) ?? this.#pieces };
  }

  #times(): ReceiptParts["ms"] {
    const total = performance.now() - this.#started;
    const prefill = this.#first === undefined ? total : this.#first - this.#started;
    return { queue: 0, load: 0, encode: 0, prefill, decode: total - prefill };
  }
}

/** The fields to take from another server's receipt. This server sets the owner and the derived values itself. */
function ownFacts({ id, created, key, flops: { saved, ...flops }, ...own }: Receipt) {
  return { ...own, flops };
}

const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;

/** Estimates FLOPs and bytes; 0 without a shape. */
function priced(shape: Shape | undefined, { generates, parts }: RequestSize, tokens: Omit<AnswerLengths, "answers">) {
  if (!shape) return { flops: 0, bytes: 0 };
  return generates ? shape.generated({ ...tokens, answers: parts }) : shape.read(parts, tokens.prompt);
}
