import { evalCost, type Graph, type Spent } from "../../../graph/index.ts";
import { count } from "../../../graph/ndarray.ts";
import type { ImageEncoderConfig } from "../../../models/images/image-encoder.ts";
import { Buffer, ViewSet } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";

/** Runs an image encoder on one image at a time, because one image has enough tokens to keep all threads busy. */
export class ImageRunner implements Disposable {
  readonly #pixels: Buffer;
  readonly #out: Buffer;
  /** Resolves when the running image, and those that wait for it, are done. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly program: Program,
    private readonly config: Pick<ImageEncoderConfig, "channels" | "imageSize">,
    private readonly shape: readonly number[],
  ) {
    this.#pixels = new Buffer("f32", config.channels * config.imageSize ** 2);
    this.#out = new Buffer("f32", count(shape));
  }

  /** `graph`: from `pixels` [1, channels, side, side] to `embedding` [1, ...shape]. */
  static async compile(
    graph: Graph,
    config: Pick<ImageEncoderConfig, "channels" | "imageSize">,
    shape: readonly number[],
  ): Promise<ImageRunner> {
    return new ImageRunner(await Program.compile(graph), config, shape);
  }

  /** The cost of an image. */
  get cost(): Spent {
    return evalCost(this.program.cost, {});
  }

  /** The embedding [...shape] of an image's pixels [channels, side, side]. */
  run(pixels: Float32Array): Promise<Float32Array> {
    const run = this.#last.then(() => this.#run(pixels));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #run(pixels: Float32Array): Promise<Float32Array> {
    const { channels, imageSize } = this.config;
    new Float32Array(this.#pixels.memory).set(pixels);
    using views = new ViewSet();
    const input = views.of(this.#pixels, [1, channels, imageSize, imageSize], 0);
    const output = views.of(this.#out, [1, ...this.shape], 0);
    await this.program.bind({ pixels: input, embedding: output }).run();
    return new Float32Array(this.#out.memory).slice();
  }

  /** Frees everything once the submitted images have run. */
  [Symbol.dispose](): void {
    const held = [this.#pixels, this.#out, this.program];
    void this.#last.then(() => {
      for (const each of held) each[Symbol.dispose]();
    });
  }
}
