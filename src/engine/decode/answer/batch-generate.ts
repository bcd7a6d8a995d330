import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { Scheduler } from "../../schedule/scheduler.ts";
import type { Request } from "../../schedule/ticket.ts";
import { BATCH_ROWS } from "../run/batch.ts";
import type { Engine } from "../run/engine.ts";
import type { Sampled } from "../sampling/sampler.ts";
import { joinedPieces } from "./draft.ts";
import type { FinishReason, Piece, Usage } from "./generate.ts";
import { checkLength } from "./sequence.ts";

/** A complete answer. */
export interface Answer extends Pick<Piece, "text" | "reasoning" | "reasoningTokens" | "tokens"> {
  readonly prompt?: readonly Sampled[] | undefined;
  readonly reason: FinishReason;
  readonly usage: Usage;
}

/**
 * Answers many prompts, with BATCH_ROWS of them decoding together: when one ends, the next starts. Each answer has its
 * own sampler, end and bill. `signal` stops all within one step; `onStopped` is then called for each request
 * that has started, including finished ones.
 * @throws UserError before anything runs, if a prompt is empty or longer than the context, or a format cannot be
 * enforced
 */
export async function generateAll(
  engine: Engine,
  tokenizer: Tokenizer,
  requests: readonly Request[],
  signal?: AbortSignal,
  onStopped?: (usage: Usage, request: Request) => void,
): Promise<Answer[]> {
  for (const { prompt, options } of requests) {
    checkLength(prompt, engine.programs.decoder.config.context);
    options.grammar?.compile();
  }
  const scheduler = new Scheduler(engine, tokenizer, { rows: BATCH_ROWS, queue: requests.length });
  const stop = new AbortController();
  const either = AbortSignal.any([stop.signal, ...(signal ? [signal] : [])]);
  const bills = new Map<Request, Usage>();
  const answer = async (request: Request): Promise<Answer> => {
    const note = (usage: Usage) => void bills.set(request, usage);
    const whole = await wholeOf(scheduler.submit({ ...request, signal: either, onStopped: note }));
    note(whole.usage);
    return whole;
  };
  try {
    return await Promise.all(requests.map(answer));
  } catch (error) {
    stop.abort(error);
    await scheduler.close(0);
    for (const request of requests) if (bills.has(request)) onStopped?.(bills.get(request)!, request);
    throw error;
  }
}

async function wholeOf(stream: AsyncIterable<Piece>): Promise<Answer> {
  const pieces: Piece[] = [];
  for await (const piece of stream) pieces.push(piece);
  const { reason, usage } = pieces.at(-1)!.finish!;
  return { ...joinedPieces(pieces), prompt: pieces[0]!.prompt, reason, usage };
}
