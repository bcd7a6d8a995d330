import { Buffer } from "../../../runtime/buffer.ts";
import type { Program } from "../../../runtime/program.ts";
import { densePlan, type Plan } from "../../../savings/plan.ts";
import { UserError } from "../../../util/errors.ts";
import type { Meter } from "../../bill/meter.ts";
import type { Engine } from "../run/engine.ts";
import type { Run } from "../run/prompt-run.ts";
import type { Stream } from "../run/stack-buffers.ts";
import { usesLongRope } from "../state/cached.ts";
import type { Slot } from "../state/slot.ts";
import { scoreSteps } from "./step-scores.ts";

/**
 * The number of rows that the head runs at once. Their logits need scratch memory, a megabyte per row for the largest
 * vocabularies.
 */
const ROWS = 64;

/** Log-probabilities, in nats, of a given token and of the likeliest token at its position. */
export interface TokenScore {
  readonly nats: number;
  readonly best: number;
}

/** The sum over all tokens. */
export const natsOf = (tokens: readonly TokenScore[]): number => tokens.reduce((sum, { nats }) => sum + nats, 0);

/** A continuation of a context, as ids; neither is empty. */
export interface Pair {
  readonly context: readonly number[];
  readonly continuation: readonly number[];
}

/** One context and its possible continuations; none is empty. */
export interface Continuations {
  readonly context: readonly number[];
  readonly continuations: readonly (readonly number[])[];
}

/** Returns the plan for a request whose prompt has this many tokens. */
export type PlanFor = (prompt: number) => Plan;

/**
 * Likelihoods of given tokens. `ofText` and `ofPairs` return the results and the bill of a fresh engine, whatever ran
 * before. Savings treat contexts as prompts, and continuations as answers.
 */
export class Likelihoods implements Disposable {
  readonly #targets = new Buffer("i64", ROWS);
  readonly #nats = new Buffer("f32", ROWS);
  readonly #best = new Buffer("f32", ROWS);

  private constructor(
    private readonly engine: Engine,
    private readonly head: Program,
    private readonly planFor: PlanFor,
  ) {}

  static async create(engine: Engine, planFor: PlanFor = () => densePlan): Promise<Likelihoods> {
    return new Likelihoods(engine, await engine.programs.likelihoods(), planFor);
  }

  /** Acquires a slot for contexts that begin like this one. */
  acquire(context: readonly number[]): Slot {
    return this.engine.acquire(context, this.planFor(context.length));
  }

  /** Scores a prompt's tokens from index `from` (at least 1) on. @throws UserError if a saving drops some of them */
  async ofText(tokens: readonly number[], from: number, meter: Meter, signal?: AbortSignal): Promise<TokenScore[]> {
    const plan = this.planFor(tokens.length - 1);
    if (plan.cuts.some(({ scope }) => scope === "prompt"))
      throw new UserError("a saving that drops prompt tokens leaves no likelihood for them", 2);
    return this.#withSlot([], plan, meter, (slot) => {
      const runs = this.engine.runs(slot, tokens.slice(0, -1), { plan, meter, signal });
      return last(this.#scoreRuns(slot, runs, { targets: tokens.slice(from), skipped: from - 1, meter }));
    });
  }

  /**
   * Scores every token of each continuation. Shared context is computed once: equal contexts, common prefixes of
   * adjacent contexts, and leading complete chunks shared with the previous call.
   */
  async ofPairs(pairs: readonly Pair[], meter: Meter, signal?: AbortSignal): Promise<TokenScore[][]> {
    const scores: TokenScore[][] = pairs.map(() => []);
    const numbered = pairs.map((pair, index) => ({ ...pair, index }));
    for (const { index, context, continuation } of numbered.filter((pair) => this.#switchesRope(pair)))
      scores[index] = await this.ofText([...context, ...continuation], context.length, meter, signal);
    const plain = numbered.filter((pair) => !this.#switchesRope(pair));
    for (const contexts of this.#together(byContext(plain))) {
      const plan = this.planFor(contexts[0]![0]!.context.length);
      await this.#withSlot(contexts[0]![0]!.context, plan, meter, async (slot) => {
        for (const group of contexts) {
          const continuations = group.map(({ continuation }) => continuation);
          const each = await last(this.ofContext(slot, { context: group[0]!.context, continuations }, meter, signal));
          for (const [i, { index }] of group.entries()) scores[index] = each[i]!;
        }
      });
    }
    return scores;
  }

  /** Groups contexts by the slot they run in: all in one, or each in a separate slot if plans divide the layers. */
  #together(contexts: NumberedPair[][]): NumberedPair[][][] {
    const apart = contexts.some(([pair]) => this.planFor(pair!.context.length).cuts.length > 0);
    if (apart) return contexts.map((group) => [group]);
    return contexts.length > 0 ? [contexts] : [];
  }

  /** True if the continuation makes the text long enough to change the rope factors of its context. */
  #switchesRope({ context, continuation }: Pair): boolean {
    const { config } = this.engine.programs.decoder;
    return usesLongRope(config, context.length + continuation.length - 1) && !usesLongRope(config, context.length);
  }

  /**
   * Scores several continuations of one context. The slot may already hold the context's beginning. Yields after each
   * run of the stack.
   */
  async *ofContext(
    slot: Slot,
    { context, continuations }: Continuations,
    meter: Meter,
    signal?: AbortSignal,
  ): AsyncGenerator<void, TokenScore[][]> {
    const targets = continuations.map(([first]) => first!);
    const plan = this.planFor(context.length);
    const firsts = yield* this.#firsts(slot, context, targets, plan, meter, signal);
    const scores: TokenScore[][] = [];
    const byStep = plan.cuts.some(({ scope }) => scope === "step");
    for (const [i, continuation] of continuations.entries()) {
      const before = [...context, ...continuation.slice(0, -1)];
      slot.truncate(context.length);
      if (byStep) {
        // Tokens exit one by one, like the tokens of an answer.
        const rest = yield* scoreSteps(this.engine, slot, { tokens: continuation, plan, meter });
        scores.push([firsts[i]!, ...rest]);
        continue;
      }
      slot.prepare(before.length);
      // The context runs again if the last continuation, or this one, is so long that the cache cannot be reused.
      const again = context.length - slot.tokens.length;
      const runs = this.engine.runs(slot, before, { plan: densePlan, meter, signal });
      const rest = { targets: continuation.slice(1), skipped: again, meter };
      scores.push([firsts[i]!, ...(yield* this.#scoreRuns(slot, runs, rest))]);
    }
    return scores;
  }

  /** Runs a context; its last row predicts the first token of each continuation. */
  async *#firsts(
    slot: Slot,
    context: readonly number[],
    targets: readonly number[],
    plan: Plan,
    meter: Meter,
    signal?: AbortSignal,
  ): AsyncGenerator<void, TokenScore[]> {
    this.engine.restart(slot, context, plan);
    for await (const { tokens, last, rows, headRuns } of this.engine.runs(slot, context, { plan, meter, signal })) {
      if (!last) {
        yield;
        continue;
      }
      meter.head(1, await headRuns(tokens - 1, 1));
      const row = await rows(tokens - 1, 1);
      return await pieces(targets, (some) => this.#score(row, [1, 1, some.length], some));
    }
    throw new Error("the context to run is already in the cache");
  }

  /** Scores `targets`: each row of the runs, except the first `skipped`, predicts the next target. */
  async *#scoreRuns(
    slot: Slot,
    runs: AsyncIterable<Run>,
    { targets, skipped, meter }: { targets: readonly number[]; skipped: number; meter: Meter },
  ): AsyncGenerator<void, TokenScore[]> {
    const scores: TokenScore[] = [];
    const past = slot.tokens.length;
    let passed = 0;
    for await (const { tokens, rows, headRuns } of runs) {
      const first = Math.min(Math.max(skipped - passed, 0), tokens);
      passed += tokens;
      if (first === tokens) continue;
      meter.parts(await headRuns(first, tokens - first));
      const targetsHere = targets.slice(scores.length, scores.length + tokens - first);
      const score = async (some: readonly number[], at: number) =>
        this.#score(await rows(first + at, some.length), [1, some.length, 1], some);
      scores.push(...(await pieces(targetsHere, score)));
      yield;
    }
    meter.insteadOfScores(past, passed, skipped);
    return scores;
  }

  async #score(stream: Stream, shape: readonly number[], targets: readonly number[]): Promise<TokenScore[]> {
    new BigInt64Array(this.#targets.memory).set(targets.map(BigInt));
    const [nats, best] = [this.#nats.view(shape), this.#best.view(shape.slice(0, -1))];
    await this.head.bind({ ...stream, targets: this.#targets.view(shape), nats, best }).run();
    const [each, top] = [new Float32Array(this.#nats.memory), new Float32Array(this.#best.memory)];
    return targets.map((_, i) => ({ nats: each[i]!, best: top[shape[1] === 1 ? 0 : i]! }));
  }

  /** `prompt` is the part that may come from a cache. */
  async #withSlot<T>(prompt: readonly number[], plan: Plan, meter: Meter, use: (slot: Slot) => Promise<T>): Promise<T> {
    const slot = this.engine.acquireAlone(prompt, meter, plan);
    try {
      return await use(slot);
    } finally {
      this.engine.release(slot);
    }
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.#targets, this.#nats, this.#best]) buffer[Symbol.dispose]();
  }
}

interface NumberedPair extends Pair {
  readonly index: number;
}

/** Pairs grouped by equal contexts, in order of first occurrence. */
function byContext(pairs: readonly NumberedPair[]): NumberedPair[][] {
  const groups = new Map<string, NumberedPair[]>();
  for (const pair of pairs) {
    const key = pair.context.join();
    groups.set(key, [...(groups.get(key) ?? []), pair]);
  }
  return [...groups.values()];
}

/** The return value of a generator. */
async function last<T>(steps: AsyncGenerator<void, T>): Promise<T> {
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return value;
  }
}

/** Runs the head on the maximum number of rows at a time. */
async function pieces<T>(
  targets: readonly number[],
  run: (some: readonly number[], at: number) => Promise<T[]>,
): Promise<T[]> {
  const results: T[] = [];
  for (let at = 0; at < targets.length; at += ROWS) results.push(...(await run(targets.slice(at, at + ROWS), at)));
  return results;
}
