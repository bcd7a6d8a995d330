import { evalCost, type Graph, type Spent } from "../../graph/index.ts";
import { traceHidden } from "../../models/encoder-graphs.ts";
import type { PromptParts } from "../../models/image-generator.ts";
import { tracePixels } from "../../models/image-generator-graphs.ts";
import type { UNet } from "../../models/unet.ts";
import { Buffer, ViewSet } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";

/** Runs the parts around a network that draws what a text says, one text or image at a time. */
export class PromptRunner implements Disposable {
  private constructor(
    private readonly texts: Program,
    private readonly decoder: Program,
    private readonly parts: PromptParts,
    private readonly side: number,
  ) {}

  /** The graphs that `compile` takes. */
  static trace({ texts, decoder }: PromptParts, { config }: UNet): [texts: Graph, decoder: Graph] {
    return [traceHidden(texts), tracePixels(decoder, config.imageSize)];
  }

  static async compile(parts: PromptParts, { config }: UNet, [texts, decoder]: [Graph, Graph]): Promise<PromptRunner> {
    const text = await Program.compile(texts);
    try {
      return new PromptRunner(text, await Program.compile(decoder), parts, config.imageSize);
    } catch (error) {
      text[Symbol.dispose]();
      throw error;
    }
  }

  /** The cost of a text. */
  get textCost(): Spent {
    const tokens = this.parts.texts.config.context;
    return evalCost(this.texts.cost, { batch: 1, tokens, kept: tokens });
  }

  /** The cost of an image's pixels. */
  get pixelCost(): Spent {
    return evalCost(this.decoder.cost, { batch: 1 });
  }

  /** Hidden states [tokens, width] of a text's ids, as many as the encoder reads. Padding counts as text. */
  async states(ids: readonly number[]): Promise<Float32Array> {
    const { hidden } = this.parts.texts.config;
    using given = new Buffer("i64", ids.length);
    using mask = new Buffer("i32", ids.length);
    using out = new Buffer("f32", ids.length * hidden);
    new BigInt64Array(given.memory).set(ids.map(BigInt));
    new Int32Array(mask.memory).fill(1);
    using views = new ViewSet();
    const row = [1, ids.length];
    const inputs = { ids: views.of(given, row, 0), mask: views.of(mask, row, 0) };
    await this.texts.bind({ ...inputs, hidden: views.of(out, [...row, hidden], 0) }).run();
    return new Float32Array(out.memory).slice();
  }

  /** Pixels [channels, side, side] of a latent image, about −1 to 1. */
  async pixels(latent: Float32Array): Promise<Float32Array> {
    const { enlargement, config } = this.parts.decoder;
    const { channels, latentChannels } = config;
    const side = this.side * enlargement;
    using given = new Buffer("f32", latent.length);
    using out = new Buffer("f32", channels * side ** 2);
    new Float32Array(given.memory).set(latent);
    using views = new ViewSet();
    const latents = views.of(given, [1, latentChannels, this.side, this.side], 0);
    const pixels = views.of(out, [1, channels, side, side], 0);
    await this.decoder.bind({ latents, pixels }).run();
    return new Float32Array(out.memory).slice();
  }

  [Symbol.dispose](): void {
    this.texts[Symbol.dispose]();
    this.decoder[Symbol.dispose]();
  }
}
