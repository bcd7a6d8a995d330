import { evalCost, type Graph, type Spent } from "../../../graph/index.ts";
import { traceHidden } from "../../../models/encoder/encoder-graphs.ts";
import type { PromptParts } from "../../../models/image-generator/image-generator.ts";
import { traceLatents, tracePixels } from "../../../models/image-generator/image-generator-graphs.ts";
import type { UNet } from "../../../models/image-generator/unet.ts";
import { Buffer, ViewSet } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";

/** Runs a text-to-image model's text encoder, image encoder and decoder, one text or image at a time. */
export class PromptRunner implements Disposable {
  /** Compiled for the first call with an initial image, because most calls begin with noise. */
  #encoder: Promise<Program> | undefined;

  private constructor(
    private readonly texts: Program,
    private readonly decoder: Program,
    private readonly encoderGraph: Graph,
    private readonly parts: PromptParts,
    private readonly side: number,
  ) {}

  /** The graphs for `compile`. */
  static trace({ texts, autoencoder }: PromptParts, { config }: UNet): [texts: Graph, decoder: Graph, encoder: Graph] {
    const { imageSize: side } = config;
    return [traceHidden(texts), tracePixels(autoencoder, side), traceLatents(autoencoder, side)];
  }

  static async compile(
    parts: PromptParts,
    { config }: UNet,
    [texts, decoder, encoder]: readonly Graph[],
  ): Promise<PromptRunner> {
    const text = await Program.compile(texts!);
    try {
      return new PromptRunner(text, await Program.compile(decoder!), encoder!, parts, config.imageSize);
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

  /** The cost of decoding an image's pixels. */
  get pixelCost(): Spent {
    return evalCost(this.decoder.cost, { batch: 1 });
  }

  /** Computes hidden states [tokens, width] from ids, padded to the encoder's length. Padding is not masked. */
  async states(ids: readonly number[]): Promise<Float32Array> {
    const { hidden } = this.parts.texts.config;
    using input = new Buffer("i64", ids.length);
    using mask = new Buffer("i32", ids.length);
    using out = new Buffer("f32", ids.length * hidden);
    new BigInt64Array(input.memory).set(ids.map(BigInt));
    new Int32Array(mask.memory).fill(1);
    using views = new ViewSet();
    const row = [1, ids.length];
    const inputs = { ids: views.of(input, row, 0), mask: views.of(mask, row, 0) };
    await this.texts.bind({ ...inputs, hidden: views.of(out, [...row, hidden], 0) }).run();
    return new Float32Array(out.memory).slice();
  }

  /** Decodes a latent image into pixels [channels, side, side], about −1 to 1. */
  async pixels(latent: Float32Array): Promise<Float32Array> {
    const { latents, pixels } = this.#shapes;
    return translated(this.decoder, { name: "latents", shape: latents, values: latent }, "pixels", pixels);
  }

  /** Encodes pixels as a latent image [latent channels, side, side]; also returns the cost. */
  async latents(image: Float32Array): Promise<{ readonly values: Float32Array; readonly cost: Spent }> {
    const { latents, pixels } = this.#shapes;
    this.#encoder ??= Program.compile(this.encoderGraph);
    const encoder = await this.#encoder;
    const values = await translated(encoder, { name: "pixels", shape: pixels, values: image }, "latents", latents);
    return { values, cost: evalCost(encoder.cost, { batch: 1 }) };
  }

  get #shapes() {
    const { enlargement, config } = this.parts.autoencoder;
    const side = this.side * enlargement;
    return {
      latents: [1, config.latentChannels, this.side, this.side],
      pixels: [1, config.channels, side, side],
    } as const;
  }

  [Symbol.dispose](): void {
    this.texts[Symbol.dispose]();
    this.decoder[Symbol.dispose]();
    // A failed compilation has already been reported to its caller.
    this.#encoder?.then((encoder) => encoder[Symbol.dispose]()).catch(() => {});
  }
}

interface NamedInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Runs a program on one image, from `input` to the output `name`. */
async function translated(
  program: Program,
  input: NamedInput,
  name: string,
  shape: readonly number[],
): Promise<Float32Array> {
  using from = new Buffer("f32", input.values.length);
  using to = new Buffer(
    "f32",
    shape.reduce((all, size) => all * size, 1),
  );
  new Float32Array(from.memory).set(input.values);
  using views = new ViewSet();
  await program.bind({ [input.name]: views.of(from, input.shape, 0), [name]: views.of(to, shape, 0) }).run();
  return new Float32Array(to.memory).slice();
}
