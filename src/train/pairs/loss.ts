import { crossEntropy, type Graph, matmulTransposed, plus, scale, sum, sym, type Tensor } from "../../graph/index.ts";
import type { ImageText } from "../../models/image-text.ts";

/**
 * The loss of CLIP (Radford et al. 2021, figure 3) for a batch of pairs: the mean cross-entropy of each picture's own
 * caption among all captions, and of each caption's own picture. Inputs: `pixels`, `ids`, `mask`, `own` [rows].
 */
export function pairLoss(g: Graph, model: ImageText, rows: number, temperature: number): Tensor {
  const { channels, imageSize } = model.image.config;
  const texts = [rows, sym("tokens")];
  const images = model.imageVectors(g, g.input("pixels", "f32", [rows, channels, imageSize, imageSize]));
  const captions = model.textVectors(g, { ids: g.input("ids", "i64", texts), mask: g.input("mask", "i32", texts) });
  const own = g.input("own", "i64", [rows]);
  const nats = (a: Tensor, b: Tensor) => crossEntropy(matmulTransposed(a, b, 1 / temperature), own);
  return scale(sum(plus(nats(images, captions), nats(captions, images)), 0), 1 / (2 * rows));
}
