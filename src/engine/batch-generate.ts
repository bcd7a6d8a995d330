import type { Tokenizer } from "../weights/tokenizer/index.ts";
import { BATCH_ROWS } from "./batch.ts";
import type { Engine } from "./engine.ts";
import type { FinishReason, GenerateOptions, OnStopped, Piece, Usage } from "./generate.ts";
import type { Sampled } from "./sampling/sampler.ts";
import { checkLength, Sequence } from "./sequence.ts";

/** A prompt, as ids, with its own options. */
export interface Request {
  readonly prompt: readonly number[];
  readonly options: GenerateOptions;
  /** Runs it in place of the engine that is for all: that of an adapter. */
  readonly engine?: Engine | undefined;
}

/** A whole answer. */
export interface Answer {
  readonly text: string;
  readonly tokens: readonly Sampled[];
  readonly reason: FinishReason;
  readonly usage: Usage;
}

/** Sequences that decode together, those of one engine in one step. One joins or leaves between any two steps; the others' numbers do not change by it. */
export class Group implements Disposable {
  readonly #members = new Map<Sequence, (piece: Piece) => void>();

  get size(): number {
    return this.#members.size;
  }

  /** Runs the sequence's prompt; it takes part in the steps to come until its last piece, then its slot is free. */
  async join(sequence: Sequence, receive: (piece: Piece) => void, signal?: AbortSignal): Promise<void> {
    this.#members.set(sequence, receive);
    this.#give(sequence, await sequence.prefill(signal));
  }

  /** One token for each. */
  async step(): Promise<void> {
    const members = [...this.#members.keys()];
    for (const engine of new Set(members.map((m) => m.engine)))
      await this.#step(
        engine,
        members.filter((m) => m.engine === engine),
      );
  }

  async #step(engine: Engine, members: readonly Sequence[]): Promise<void> {
    const logits = await engine.stepAll(members.map((m) => m.next()));
    for (const [i, member] of members.entries()) this.#give(member, member.take(logits[i]!));
  }

  /** Not while a step is under way, which writes into the slot. */
  leave(sequence: Sequence): void {
    if (this.#members.delete(sequence)) sequence[Symbol.dispose]();
  }

  #give(sequence: Sequence, piece: Piece): void {
    this.#members.get(sequence)!(piece);
    if (piece.finish) this.leave(sequence);
  }

  [Symbol.dispose](): void {
    for (const sequence of this.#members.keys()) this.leave(sequence);
  }
}

/**
 * Answers many prompts, BATCH_ROWS of them decoding together: one that ends makes room for the next. Each has its own sampler, end and
 * bill. `signal` stops all within one step; `onStopped` is then told of each that had begun, also of those that were done.
 * @throws UserError when a prompt is empty or longer than the context, before anything runs.
 */
export async function generateAll(
  engine: Engine,
  tokenizer: Tokenizer,
  requests: readonly Request[],
  signal?: AbortSignal,
  onStopped?: OnStopped,
): Promise<Answer[]> {
  for (const { prompt } of requests) checkLength(prompt.length, engine.programs.decoder.config.context);
  const begun: { sequence: Sequence; pieces: Piece[] }[] = [];
  using group = new Group();
  try {
    while (begun.length < requests.length || group.size > 0) {
      signal?.throwIfAborted();
      if (begun.length < requests.length && group.size < BATCH_ROWS) {
        const { prompt, options, engine: own = engine } = requests[begun.length]!;
        const [sequence, pieces] = [new Sequence(own, tokenizer, prompt, options), [] as Piece[]];
        begun.push({ sequence, pieces });
        await group.join(sequence, (piece) => pieces.push(piece), signal);
      } else await group.step();
    }
  } catch (error) {
    for (const { sequence, pieces } of begun) onStopped?.(pieces.at(-1)?.finish?.usage ?? sequence.usage());
    throw error;
  }
  return begun.map(({ pieces }) => whole(pieces));
}

function whole(pieces: readonly Piece[]): Answer {
  const { reason, usage } = pieces.at(-1)!.finish!;
  return { text: pieces.map((p) => p.text).join(""), tokens: pieces.flatMap((p) => p.tokens), reason, usage };
}
