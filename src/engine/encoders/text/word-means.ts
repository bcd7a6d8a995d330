import { evalCost, Graph, graphCost, pool, type Spent, sym } from "../../../graph/index.ts";
import type { Cost } from "../../../graph/op.ts";
import type { WordVectors } from "../../../weights/vectors/word-vectors.ts";
import { denseBill } from "../../bill/meter.ts";
import { checkCeiling } from "../../bill/price.ts";
import { Stopwatch } from "../../bill/stopwatch.ts";
import type { Answers, ReadTerms } from "./encoder-model.ts";

/**
 * Embeds a text as the mean of its words' vectors; a text without a known word is all zeros. No program runs, because
 * the means cost only microseconds.
 */
export class WordMeans {
  readonly #cost: Cost;

  constructor(readonly vectors: WordVectors) {
    this.#cost = graphCost(tracedMean(vectors.width));
  }

  get width(): number {
    return this.vectors.width;
  }

  /** Returns a vector for each text, and the cost, counted like an encoder's pooling. */
  async embed(
    texts: readonly string[],
    { onStopped: _, ceiling = {}, ...terms }: ReadTerms = {},
  ): Promise<Answers<Float32Array>> {
    const time = new Stopwatch(terms.arrived);
    time.enter("prefill");
    terms.signal?.throwIfAborted();
    checkCeiling(ceiling, () => this.price(texts).flops);
    terms.onBegun?.();
    const places = texts.map((text) => this.vectors.places(text));
    const answers = places.map((words) => this.#mean(words));
    const prompt = places.reduce((sum, { length }) => sum + length, 0);
    const bill = denseBill(this.#priceOf(places.map(({ length }) => length)));
    return {
      answers,
      usage: { tokens: { prompt, cached: 0, completion: 0 }, ...bill, ...time.total() },
    };
  }

  /** The cost of these texts; runs nothing. */
  price(texts: readonly string[]): Spent {
    return this.#priceOf(texts.map((text) => this.vectors.places(text).length));
  }

  #priceOf(lengths: readonly number[]): Spent {
    return evalCost(this.#cost, { tokens: lengths.reduce((sum, length) => sum + length, 0) });
  }

  #mean(places: readonly number[]): Float32Array {
    const sum = new Float64Array(this.width);
    for (const place of places) for (const [i, v] of this.vectors.vector(place).entries()) sum[i]! += v;
    return Float32Array.from(sum, (v) => v / Math.max(1, places.length));
  }
}

/** The graph of a mean over `tokens` word vectors; only its cost is used. */
function tracedMean(width: number): Graph {
  const g = new Graph();
  const tokens = sym("tokens");
  g.output("mean", pool(g.input("x", "f32", [1, tokens, width]), g.input("mask", "i32", [1, tokens]), "mean"));
  return g;
}
