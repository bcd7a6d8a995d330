import {
  crossEntropy,
  type Graph,
  matmulTransposed,
  plus,
  reshape,
  scale,
  sum,
  sym,
  type Tensor,
} from "../../../graph/index.ts";
import type { ImageText } from "../../../models/images/image-text.ts";
import type { WeightSource } from "../../../weights/weight-source.ts";
import { binaryEntropy } from "../regions/localiser-loss.ts";

/** The model and the batch size for which the loss is traced. */
interface PairBatchShape {
  readonly model: ImageText;
  readonly weights: WeightSource;
  readonly rows: number;
  /** The divisor of cosines. */
  readonly temperature: number;
}

/**
 * Traces the loss of a batch of pairs, f32 []. CLIP's loss is the mean cross-entropy of each picture's own caption
 * among all captions, and of each caption's own picture among all pictures (Radford et al. 2021, figure 3). SigLIP's
 * loss is the binary cross-entropy of every picture with every caption, with a learned bias, summed over captions and
 * averaged over pictures (Zhai et al. 2023, algorithm 1). Inputs: `pixels`, `ids`, `mask`, `own` [rows].
 */
export function pairLoss(g: Graph, { model, weights, rows, temperature }: PairBatchShape): Tensor {
  const { channels, imageSize } = model.image.config;
  const texts = [rows, sym("tokens")];
  const images = model.imageVectors(g, g.input("pixels", "f32", [rows, channels, imageSize, imageSize]));
  const captions = model.textVectors(g, { ids: g.input("ids", "i64", texts), mask: g.input("mask", "i32", texts) });
  const logits = (a: Tensor, b: Tensor) => matmulTransposed(a, b, 1 / temperature);
  if (model.traits.activation === "sigmoid") {
    const all = reshape(logits(images, captions), [rows * rows, 1]);
    const biased = plus(all, weights.vector(g, { logit_bias: 1 }));
    return scale(sum(sum(binaryEntropy(biased, ownPairs(g, rows)), 1), 0), 1 / rows);
  }
  const own = g.input("own", "i64", [rows]);
  const nats = (a: Tensor, b: Tensor) => crossEntropy(logits(a, b), own);
  return scale(sum(plus(nats(images, captions), nats(captions, images)), 0), 1 / (2 * rows));
}

/** 1 for a picture and its own caption, 0 for all others, [rows · rows, 1]. */
function ownPairs(g: Graph, rows: number): Tensor {
  const right = Float32Array.from({ length: rows * rows }, (_, i) => (i % (rows + 1) === 0 ? 1 : 0));
  const bytes = new Uint8Array(right.buffer);
  return g.constant("own pairs", { dtype: "f32", shape: [rows * rows, 1] }, { kind: "memory", bytes });
}
