import type { Price } from "../../../savings/auto/certificate.ts";
import type { Pair } from "../cheaper.ts";
import type { ServedItem } from "../items.ts";
import { type Cost, type OnTime, Times } from "../times.ts";
import type { PairServing } from "./serving.ts";
import { thresholdText } from "./ways.ts";

/**
 * Costs of a pair's routes. Each item is timed on both paths: Swift's answer, and Swift's beginning plus Super's
 * answer. A threshold's cost weights both paths by their shares of the search items.
 */
export class RoutedTimes implements AsyncDisposable, Pick<Times, "measure" | "fit" | "costs" | "pairs"> {
  private constructor(
    private readonly times: Times,
    private readonly pair: PairServing,
  ) {}

  static async open(
    folder: string,
    pair: PairServing,
    items: readonly ServedItem[],
    signal: AbortSignal | undefined,
    onTime: OnTime,
  ): Promise<RoutedTimes> {
    return new RoutedTimes(await Times.open(folder, pair.timing, items, signal, onTime), pair);
  }

  async measure(recipes: readonly string[]): Promise<void> {
    const routes = recipes.filter((recipe) => recipe !== "dense").flatMap((recipe) => Object.values(endsOf(recipe)));
    await this.times.measure(["dense", ...new Set(routes)]);
  }

  fit(recipe: string, by: Cost): Price {
    if (recipe === "dense") return this.times.fit(recipe, by);
    const share = this.pair.shareOf(recipe);
    const { easy, hard } = endsOf(recipe);
    const [a, b] = [this.times.fit(easy, by), this.times.fit(hard, by)];
    const of = (term: keyof Price) => mixed(a[term], b[term], share);
    return { fixed: of("fixed"), new: of("new"), attended: of("attended"), answer: of("answer") };
  }

  costs(choose: Choose, by: Cost): number[] {
    const { easy, hard, shares } = this.#ends(choose, (end) => this.times.costs(end, by));
    return easy.map((cost, i) => mixed(cost, hard[i]!, shares[i]!));
  }

  pairs(choose: Choose, by: Cost): Pair[] {
    const { easy, hard, shares } = this.#ends(choose, (end) => this.times.pairs(end, by));
    // Dense and both extremes of a route are timed in the same round.
    return easy.map(({ saved, dense }, i) => ({ saved: mixed(saved, hard[i]!.saved, shares[i]!), dense }));
  }

  /** The timed items' costs at both extremes of the routes that `choose` names, and the shares sent to Super. */
  #ends<T>(choose: Choose, of: (choose: Choose) => T[]): { easy: T[]; hard: T[]; shares: number[] } {
    const shares: number[] = [];
    const end = (recipe: string, name: "easy" | "hard") => (recipe === "dense" ? recipe : endsOf(recipe)[name]);
    const easy = of((tokens) => {
      const recipe = choose(tokens);
      shares.push(recipe === "dense" ? 0 : this.pair.shareOf(recipe));
      return end(recipe, "easy");
    });
    return { easy, hard: of((tokens) => end(choose(tokens), "hard")), shares };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.times[Symbol.asyncDispose]();
  }
}

/** The recipe for a prompt's length. */
type Choose = (tokens: number) => string;

/** The cost of items if a share of them is hard. */
const mixed = (easy: number, hard: number, share: number): number => (1 - share) * easy + share * hard;

/** A candidate's two extreme routes: one sends every item to Swift, the other sends every item to Super. */
const endsOf = (recipe: string): { readonly easy: string; readonly hard: string } => ({
  easy: thresholdText(recipe, Number.NEGATIVE_INFINITY),
  hard: thresholdText(recipe, Number.POSITIVE_INFINITY),
});
