import type { Ceiling } from "../../engine/decode/answer/cut.ts";
import { idBeyond, isIds } from "../../engine/decode/language-model.ts";
import type { Chunk, Model, Prompt, RunOptions } from "../../index.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Bill } from "../bill.ts";
import type { Call } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Key } from "../keys/store.ts";
import { leastOf } from "../keys/terms.ts";
import type { Limits } from "../limits.ts";
import type { ModelChoice } from "../models/served.ts";
import { billFor, checkForm, leaseFor, type ServerContext } from "../server-context.ts";
import { merged } from "./merged.ts";

/** One requested answer. */
export interface Ask {
  readonly prompt: Prompt;
  readonly options: RunOptions;
}

/** A piece of one of the answers; the very last piece has the request's receipt. */
export interface Part extends Omit<Chunk, "receipt"> {
  /** The index of the requested answer. */
  readonly choice: number;
  readonly receipt?: Receipt;
  readonly tokenizer: Tokenizer;
  /** The pipeline's answer field, in an answer's first and last piece. */
  readonly shown?: Readonly<Record<string, unknown>>;
  /** The number of tokens in the plan, which is not part of the answer; set in the answer's first and last piece. */
  readonly planTokens?: number;
  /** If true, a stream sends `shown` in its first event. */
  readonly shownFirst?: boolean;
}

/** Runs a request's answers side by side and bills the request once; if it is stopped, only for completed work. */
export async function* answers(
  context: ServerContext,
  choice: ModelChoice,
  asks: readonly Ask[],
  call: Call,
): AsyncGenerator<Part, void> {
  using use = choice.adapter === undefined ? undefined : context.metrics.adapters.request(choice.adapter);
  using lease = await leaseFor(context, choice, call);
  const { tokenizer, vocabulary } = writerOf(lease.model);
  checkBiases(asks[0]?.options, vocabulary);
  checkBudget(asks[0]?.options, lease.model);
  for (const ask of asks) {
    checkIds(ask.prompt, vocabulary);
    checkForm(context, choice, lease.model, ask);
  }
  using bill = billFor(context, choice.served.id, call, choice.adapter);
  const controller = new AbortController();
  const terms = {
    ...bill.terms,
    ...(use && { onBegun: () => use.begin() }),
    ...{ save: choice.recipe, adapter: choice.adapter, audit: call.key?.terms.audit },
    signal: AbortSignal.any([call.signal, controller.signal]),
  };
  const ceiling = ceilingOf(asks, context.limits, call.key);
  const runs = asks.map(({ prompt, options }) => lease.model.generate(prompt, { ...options, ...terms, ceiling }));
  for await (const part of billedParts(bill, runs, () => controller.abort())) yield { ...part, tokenizer };
}

/**
 * Yields the pieces of several answers as they arrive; the last piece has the receipt for all. `stop` ends all answers.
 */
export async function* billedParts<P extends Chunk>(
  bill: Bill,
  runs: readonly AsyncGenerator<P, void>[],
  stop: () => void,
): AsyncGenerator<P & { choice: number }, void> {
  let going = runs.length;
  for await (const [choice, { receipt, ...piece }] of merged(runs, stop)) {
    for (const _ of piece.tokens) bill.token(choice);
    if (receipt) bill.add(receipt);
    const last = piece.finishReason !== undefined && --going === 0;
    yield { ...(piece as P), choice, ...(last && { receipt: bill.close(piece.finishReason!) }) };
  }
}

/** The tokenizer and vocabulary size of a model that generates text. @throws UserError for other models */
function writerOf(model: Model): { readonly tokenizer: Tokenizer; readonly vocabulary: number } {
  const { loaded } = model;
  const writer = loaded.kind === "diffusion language model" ? loaded : model.language;
  const { decoder } = writer.kind === "decoder" ? writer : writer.programs;
  return { tokenizer: writer.tokenizer, vocabulary: decoder.config.vocabulary };
}

/** Checks the biases of all answers. @throws HttpError for a token outside the model's vocabulary */
function checkBiases({ logitBias = {} }: RunOptions = {}, vocabulary: number): void {
  const outside = Object.keys(logitBias).find((id) => Number(id) >= vocabulary);
  if (outside === undefined) return;
  const message = `logit_bias: the model's tokens are 0 to ${vocabulary - 1}, got ${outside.slice(0, 40)}`;
  throw new HttpError(400, message, { param: "logit_bias" });
}

/** @throws HttpError for a reasoning budget that the model does not support */
function checkBudget({ thinkingTokenBudget }: RunOptions = {}, { generative }: Model): void {
  if (thinkingTokenBudget === undefined || (generative.kind === "decoder" && generative.marks)) return;
  const message = `thinking_token_budget: expected none, since ${generative.source.name} does not reason in chats`;
  throw new HttpError(400, message, { param: "thinking_token_budget" });
}

/** @throws HttpError for a prompt token outside the model's vocabulary */
function checkIds(prompt: Prompt, vocabulary: number): void {
  const outside = isIds(prompt) ? idBeyond(prompt, vocabulary) : undefined;
  if (outside === undefined) return;
  const message = `prompt: the model's tokens are 0 to ${vocabulary - 1}, got ${outside}`;
  throw new HttpError(400, message, { param: "prompt" });
}

/**
 * Each answer's ceiling: an equal share of the FLOPs allowed to the request, and the tokens that the server and the key
 * allow.
 */
export function ceilingOf(asks: readonly Ask[], { maxTokens }: Limits, key: Key | undefined): Ceiling {
  const most = leastOf(asks[0]?.options.ceiling?.flops, key?.terms.maxFlops);
  return { flops: most && most / asks.length, tokens: leastOf(maxTokens, key?.terms.maxTokens) };
}

/** Complete answers, in the requested order. */
export async function wholeAnswers(parts: AsyncGenerator<Part>): Promise<{ choices: Part[][]; receipt: Receipt }> {
  const choices: Part[][] = [];
  for await (const part of parts) {
    choices[part.choice] ??= [];
    choices[part.choice]!.push(part);
    if (part.receipt) return { choices, receipt: part.receipt };
  }
  throw new Error("the answers ended without a receipt");
}

export const textOf = (parts: readonly Part[]): string => parts.map(({ text }) => text).join("");
