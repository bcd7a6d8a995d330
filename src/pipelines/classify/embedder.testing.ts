import { WordMeans } from "../../engine/encoders/text/word-means.ts";
import { WordVectors } from "../../weights/vectors/word-vectors.ts";
import type { Embedder } from "./embedder.ts";
import type { LabelHead } from "./head.ts";

const WORDS = ["good", "bad", "so", "odd"];

/** Embeds a text as the mean of its known words' vectors; there are four known words, with unit vectors. */
export function smallEmbedder(name = "small", digit = "a"): Embedder {
  const identity = { name, sha256: digit.repeat(64) };
  const values = Float32Array.from({ length: 16 }, (_, i) => Number(i % 5 === 0));
  const means = new WordMeans(new WordVectors(name, identity.sha256, WORDS, { rows: 4, width: 4, values }));
  return {
    ...{ identity, width: 4, [Symbol.dispose]: () => {} },
    embed: (texts, terms) => means.embed(texts, terms),
    price: (texts) => means.price(texts),
  };
}

/** A head with the labels good and bad, and weights ±`scale`. */
export const smallHead = ({ identity }: Pick<Embedder, "identity">, scale = 2): LabelHead => ({
  model: identity,
  labels: ["negative", "positive"],
  linear: {
    ...{ classes: 2, width: 4 },
    weights: Float64Array.of(-scale, scale, 0, 0, scale, -scale, 0, 0),
    bias: Float64Array.of(0.25, -0.25),
  },
  training: { data: { name: "by hand", sha256: "0".repeat(64), rows: 1 }, seed: 0, l2: 1 },
});
