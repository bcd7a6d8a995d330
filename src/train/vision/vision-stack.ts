import { concat, type Graph, gather, reshape, type Tensor } from "../../graph/index.ts";
import type { Decoder } from "../../models/decoder/decoder.ts";
import type { SquareVision } from "../../models/images/vision.ts";
import type { Batch } from "../data/batch.ts";
import { DecoderStack } from "../graphs/decoder-stack.ts";
import type { Trainee } from "../graphs/graphs.ts";
import type { SavingMasks } from "../graphs/saving-masks.ts";
import type { BatchInput, Shape } from "../graphs/stack.ts";
import { languageModel } from "../heads/language-model.ts";

/**
 * A decoder's layers over rows of tokens, each with at most one image. The image encoder runs before the first layer,
 * and is trained as well.
 */
class VisionStack extends DecoderStack {
  constructor(
    decoder: Decoder,
    private readonly vision: SquareVision,
    saving?: SavingMasks,
  ) {
    super(decoder, saving);
  }

  /** Arranges rows of the token table and of images as the batch specifies. */
  override embed(g: Graph, shape: Shape): Tensor {
    const { rows, tokens } = shape;
    const { channels, imageSize } = this.vision.encoder.config;
    const pixels = g.input("pixels", "f32", [rows, channels, imageSize, imageSize]);
    const flat = (x: Tensor, count: number) => reshape(x, [count, this.hidden]);
    const all = [
      flat(super.embed(g, shape), rows * tokens),
      flat(this.vision.rows(g, pixels), rows * this.vision.tokens),
    ];
    return gather(concat(all, 0), g.input("places", "i64", [rows, tokens]), 0);
  }

  override inputs(batch: Batch): Readonly<Record<string, BatchInput>> {
    const { rows, tokens } = batch;
    const { channels, imageSize } = this.vision.encoder.config;
    const size = channels * imageSize ** 2;
    const pixels = new Float32Array(rows * size);
    const places = Int32Array.from({ length: rows * tokens }, (_, i) => i);
    for (const [row, image] of (batch.images ?? []).entries()) {
      if (!image) continue;
      pixels.set(image.pixels(), row * size);
      const first = rows * tokens + row * this.vision.tokens;
      for (let i = 0; i < this.vision.tokens; i++) places[row * tokens + image.at + i] = first + i;
    }
    return {
      ...super.inputs(batch),
      pixels: { dtype: "f32", shape: [rows, channels, imageSize, imageSize], values: pixels },
      places: { dtype: "i64", shape: [rows, tokens], values: places },
    };
  }
}

/** A decoder and its image encoder, trained together as a language model. */
export const visionLanguageModelOf = (
  decoder: Decoder,
  vision: SquareVision,
  saving?: SavingMasks,
): Pick<Trainee, "stack" | "objective"> => ({
  stack: new VisionStack(decoder, vision, saving),
  objective: languageModel(decoder),
});
