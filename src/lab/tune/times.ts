import path from "node:path";
import { z } from "zod";
import type { Price as Coefficients } from "../../savings/auto/certificate.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { median } from "../../util/median.ts";
import { LinesFile } from "../run/lines-file.ts";
import type { Pair } from "./cheaper.ts";
import { distinctTerms, fitted, type Observation } from "./fit.ts";
import type { ServedItem } from "./items.ts";
import type { Serving } from "./served.ts";

const timeLine = z.strictObject({
  /** The recipes timed in one round, alternating with dense. */
  round: z.int().min(1),
  recipe: z.string(),
  item: z.string(),
  prompt: z.int(),
  answer: z.int(),
  ms: z.number(),
  flops: z.number(),
  bytes: z.number(),
});
export type TimeLine = z.infer<typeof timeLine>;
export type Cost = "ms" | "flops" | "bytes";

/** Called with the number of answers timed so far, and the total. */
export type OnTime = (done: number, of: number) => void;

/** The number of items that are timed. */
const TIMED = 12;

/** Picks items evenly spaced by length. */
export function timedItems<T extends ServedItem>(items: readonly T[], count = TIMED): T[] {
  const sorted = items.toSorted((a, b) => a.tokens - b.tokens || (a.id < b.id ? -1 : 1));
  if (sorted.length <= count) return sorted;
  return Array.from(
    { length: count },
    (_, i) => sorted[Math.round((i * (sorted.length - 1)) / Math.max(1, count - 1))]!,
  );
}

/** Costs of answers, measured alternately with dense and stored in a file. */
export class Times implements AsyncDisposable {
  readonly #lines: TimeLine[];
  #round = 0;

  private constructor(
    private readonly file: LinesFile<TimeLine>,
    lines: readonly TimeLine[],
    private readonly serving: Serving,
    private readonly items: readonly ServedItem[],
    private readonly signal: AbortSignal | undefined,
    private readonly onTime: OnTime,
  ) {
    this.#lines = [...lines];
  }

  static async open(
    folder: string,
    serving: Serving,
    items: readonly ServedItem[],
    signal: AbortSignal | undefined,
    onTime: OnTime,
  ): Promise<Times> {
    makeFolders(folder);
    const { file, lines } = await LinesFile.open(path.join(folder, "times.jsonl"), timeLine);
    return new Times(file, lines, serving, timedItems(items), signal, onTime);
  }

  /** Measures, alternately with dense, the recipes that no earlier round measured. */
  async measure(recipes: readonly string[]): Promise<void> {
    const round = ++this.#round;
    const earlier = new Set(this.#lines.filter((line) => line.round < round).map(({ recipe }) => recipe));
    const fresh = recipes.filter((recipe) => recipe !== "dense" && !earlier.has(recipe));
    if (round > 1 && fresh.length === 0) return;
    const turns = ["dense", ...fresh];
    const missing = (recipe: string, { id }: ServedItem) =>
      !this.#lines.some((line) => line.round === round && line.recipe === recipe && line.item === id);
    for (const recipe of turns) {
      // An untimed answer compiles the recipe's programs.
      if (this.items.some((item) => missing(recipe, item))) await this.serving.answer(recipe, this.items[0]!);
    }
    const answers = this.items.flatMap((item) => turns.map((recipe) => ({ recipe, item })));
    const waiting = answers.filter(({ recipe, item }) => missing(recipe, item));
    for (const [i, { recipe, item }] of waiting.entries()) {
      await this.#time(round, recipe, item);
      this.onTime(i + 1, waiting.length);
    }
  }

  async #time(round: number, recipe: string, item: ServedItem): Promise<void> {
    const served = await this.serving.answer(recipe, item).catch((error: unknown) => {
      if (recipe === "dense" || this.signal?.aborted) throw error;
      return undefined;
    });
    // A failed answer already counts as a loss.
    if (served === undefined) return;
    const { ms, flops, bytes, tokens } = served;
    const line = { round, recipe, item: item.id, prompt: item.tokens, answer: tokens.length, ms, flops, bytes };
    await this.file.add(line);
    this.#lines.push(line);
  }

  fit(recipe: string, by: Cost): Coefficients {
    return fitted(this.#observed(recipe, by), distinctTerms(this.#observed("dense", by)));
  }

  #observed(recipe: string, by: Cost): Observation[] {
    return this.#lines
      .filter((line) => line.recipe === recipe)
      .map((line) => ({ prompt: line.prompt, answer: line.answer, cost: this.#cost(line, by) }));
  }

  /** The cost of each timed item under the recipe that `choose` selects for its length; NaN if the recipe failed. */
  costs(choose: (tokens: number) => string, by: Cost): number[] {
    return this.items.map(({ id, tokens }) => {
      const recipe = choose(tokens);
      const lines = this.#lines.filter((line) => line.recipe === recipe && line.item === id);
      return median(lines.map((line) => this.#cost(line, by)));
    });
  }

  /**
   * The cost of each timed item under the recipe that `choose` selects for its length, and dense's cost in the same
   * round; NaN if the recipe failed on the item.
   */
  pairs(choose: (tokens: number) => string, by: Cost): Pair[] {
    return this.items.map(({ id, tokens }) => {
      const recipe = choose(tokens);
      const line = this.#lines.find((line) => line.recipe === recipe && line.item === id);
      if (line === undefined) return { saved: Number.NaN, dense: Number.NaN };
      return { saved: this.#cost(line, by), dense: this.#cost(this.#denseOf(line), by) };
    });
  }

  /** A cost scaled to the first round by dense's costs, since the machine may be busier in a later round. */
  #cost(line: TimeLine, by: Cost): number {
    const dense = this.#denseOf(line);
    // An idle recipe ran as dense: a separate time would add only noise.
    const cost = isIdle(line, dense) ? dense[by] : line[by];
    if (line.round === 1) return cost;
    const denseIn = (round: number) => this.#lines.filter((each) => each.round === round && each.recipe === "dense");
    const first = new Map(denseIn(1).map((each) => [each.item, each[by]]));
    return cost / median(denseIn(line.round).map((each) => each[by] / first.get(each.item)!));
  }

  /** Dense's measurement in the same round on the same item. */
  #denseOf({ round, item }: TimeLine): TimeLine {
    return this.#lines.find((each) => each.round === round && each.recipe === "dense" && each.item === item)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close();
  }
}

/** True if the recipe had no effect: its work equals dense's, without overhead. */
const isIdle = (line: TimeLine, dense: TimeLine): boolean =>
  line.flops === dense.flops && line.bytes === dense.bytes && line.answer === dense.answer;
