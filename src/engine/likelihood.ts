import { Buffer, type View } from "../runtime/buffer.ts";
import type { Program } from "../runtime/program.ts";
import { commonPrefix, stretches } from "./cached.ts";
import type { Engine, Run } from "./engine.ts";
import type { Meter } from "./meter.ts";
import type { Slot } from "./slot.ts";

/** Rows that the head takes at once: their logits are its scratch, a megabyte a row for the largest vocabularies. */
const ROWS = 64;

/** Log-probabilities, in nats: of a token that was given, and of the likeliest one in its place. */
export interface Foretold {
  readonly nats: number;
  readonly best: number;
}

/** A continuation of a context, as ids; neither is empty. */
export interface Pair {
  readonly context: readonly number[];
  readonly continuation: readonly number[];
}

/**
 * What a model makes of tokens that are given. Every call starts from an empty cache, so that its numbers and its bill do not depend on
 * what ran before. A saving acts on contexts as it does on prompts; continuations run densely, as answers do.
 */
export class Likelihoods implements Disposable {
  readonly #targets = new Buffer("i64", ROWS);
  readonly #nats = new Buffer("f32", ROWS);
  readonly #best = new Buffer("f32", ROWS);

  private constructor(
    private readonly engine: Engine,
    private readonly head: Program,
  ) {}

  static async create(engine: Engine): Promise<Likelihoods> {
    return new Likelihoods(engine, await engine.programs.likelihoods());
  }

  /** Of a prompt's tokens from `from` (1 or more) on, foretold token by token. */
  async ofText(tokens: readonly number[], from: number, meter: Meter, signal?: AbortSignal): Promise<Foretold[]> {
    return this.#withSlot((slot) => {
      const runs = this.engine.runs(slot, tokens.slice(0, -1), meter, signal);
      return this.#foretell(runs, tokens.slice(from), from - 1, meter);
    });
  }

  /** Of every token of each continuation. What contexts share is computed once: an equal one, and a common beginning of adjacent ones. */
  async ofPairs(pairs: readonly Pair[], meter: Meter, signal?: AbortSignal): Promise<Foretold[][]> {
    const found: Foretold[][] = pairs.map(() => []);
    const numbered = pairs.map((pair, index) => ({ ...pair, index }));
    for (const { index, context, continuation } of numbered.filter((pair) => this.#stretchesLater(pair)))
      found[index] = await this.ofText([...context, ...continuation], context.length, meter, signal);
    await this.#withSlot(async (slot) => {
      for (const group of byContext(numbered.filter((pair) => !this.#stretchesLater(pair)))) {
        const firsts = await this.#firsts(slot, group, meter, signal);
        for (const [i, { index, context, continuation }] of group.entries()) {
          slot.truncate(context.length);
          // Where a long continuation before this one left nothing of the context for a window to see, it runs again.
          const again = context.length - slot.tokens.length;
          const before = [...context, ...continuation.slice(0, -1)];
          const runs = this.engine.denseRuns(slot, before, meter, signal);
          found[index] = [firsts[i]!, ...(await this.#foretell(runs, continuation.slice(1), again, meter))];
        }
      }
    });
    return found;
  }

  /** Whether the continuation makes the text so long that its context has other numbers than by itself. */
  #stretchesLater({ context, continuation }: Pair): boolean {
    const { config } = this.engine.programs.decoder;
    return stretches(config, context.length + continuation.length - 1) && !stretches(config, context.length);
  }

  /** Runs the group's context; its last row foretells the first token of each continuation. */
  async #firsts(slot: Slot, group: readonly Numbered[], meter: Meter, signal?: AbortSignal): Promise<Foretold[]> {
    const { context } = group[0]!;
    slot.truncate(Math.min(commonPrefix(slot.tokens, context), context.length - 1));
    for await (const { tokens, rows } of this.engine.runs(slot, context, meter, signal)) {
      if (slot.tokens.length < context.length) continue;
      meter.head(1);
      const targets = group.map(({ continuation }) => continuation[0]!);
      return await pieces(targets, (some) => this.#score(rows(tokens - 1, 1), [1, 1, some.length], some));
    }
    throw new Error("a context was run that is in the cache already");
  }

  /** Each row of the runs, but for the first `skipped`, foretells the next of `targets`. */
  async #foretell(
    runs: AsyncIterable<Run>,
    targets: readonly number[],
    skipped: number,
    meter: Meter,
  ): Promise<Foretold[]> {
    const found: Foretold[] = [];
    let passed = 0;
    for await (const { tokens, rows } of runs) {
      const first = Math.min(Math.max(skipped - passed, 0), tokens);
      passed += tokens;
      if (first === tokens) continue;
      meter.head(tokens - first);
      const wanted = targets.slice(found.length, found.length + tokens - first);
      const score = (some: readonly number[], at: number) =>
        this.#score(rows(first + at, some.length), [1, some.length, 1], some);
      found.push(...(await pieces(wanted, score)));
    }
    return found;
  }

  async #score(hidden: View, shape: readonly number[], targets: readonly number[]): Promise<Foretold[]> {
    new BigInt64Array(this.#targets.memory).set(targets.map(BigInt));
    const [nats, best] = [this.#nats.view(shape), this.#best.view(shape.slice(0, -1))];
    await this.head.bind({ hidden, targets: this.#targets.view(shape), nats, best }).run();
    const [each, top] = [new Float32Array(this.#nats.memory), new Float32Array(this.#best.memory)];
    return targets.map((_, i) => ({ nats: each[i]!, best: top[shape[1] === 1 ? 0 : i]! }));
  }

  /** Nothing of it is kept, since nothing would come back to it. */
  async #withSlot<T>(use: (slot: Slot) => Promise<T>): Promise<T> {
    const slot = this.engine.acquire();
    try {
      return await use(slot);
    } finally {
      slot.truncate(0);
      this.engine.release(slot);
    }
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.#targets, this.#nats, this.#best]) buffer[Symbol.dispose]();
  }
}

interface Numbered extends Pair {
  readonly index: number;
}

/** Pairs with equal contexts together, in the order of their first. */
function byContext(pairs: readonly Numbered[]): Numbered[][] {
  const groups = new Map<string, Numbered[]>();
  for (const pair of pairs) {
    const key = pair.context.join();
    groups.set(key, [...(groups.get(key) ?? []), pair]);
  }
  return [...groups.values()];
}

/** As many at once as the head takes. */
async function pieces<T>(
  targets: readonly number[],
  run: (some: readonly number[], at: number) => Promise<T[]>,
): Promise<T[]> {
  const found: T[] = [];
  for (let at = 0; at < targets.length; at += ROWS) found.push(...(await run(targets.slice(at, at + ROWS), at)));
  return found;
}
