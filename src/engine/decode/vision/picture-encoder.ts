import { evalCost, type Graph, type Spent } from "../../../graph/index.ts";
import type { MergedVision } from "../../../models/images/merged-vision.ts";
import type { SquareVision } from "../../../models/images/vision.ts";
import { Buffer, ViewSet } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { ImageRunner } from "../../encoders/image-text/image-runner.ts";
import { type PatchProcessor, patchesOf } from "../../images/pixels/patches.ts";
import type { Pixels } from "../../images/pixels/pixels.ts";
import { normalisePixels, type PixelScale } from "../../images/pixels/processor.ts";
import type { EmbeddedSpan } from "../run/spans.ts";

/** A picture as rows of the stream, and the cost of it. */
export interface EncodedPicture extends Pick<EmbeddedSpan, "embeddings" | "grid"> {
  readonly cost: Spent;
}

/** Turns pictures of the sizes that a model reads into rows of its decoder's stream. */
export interface PictureEncoder extends Disposable {
  run(picture: Pixels): Promise<EncodedPicture>;
}

/** Runs the encoder of square pictures of one size. */
export class SquareEncoder implements PictureEncoder {
  private constructor(
    private readonly runner: ImageRunner,
    private readonly scale: PixelScale,
    private readonly grid: SquareVision["grid"],
  ) {}

  static async compile(graph: Graph, vision: SquareVision, scale: PixelScale): Promise<SquareEncoder> {
    const shape = [vision.tokens, vision.config.hidden];
    return new SquareEncoder(await ImageRunner.compile(graph, vision.encoder.config, shape), scale, vision.grid);
  }

  async run(picture: Pixels): Promise<EncodedPicture> {
    const embeddings = await this.runner.run(normalisePixels(picture, this.scale));
    return { embeddings, cost: this.runner.cost, ...(this.grid && { grid: this.grid }) };
  }

  [Symbol.dispose](): void {
    this.runner[Symbol.dispose]();
  }
}

/** Runs the encoder of pictures in whole squares of patches, of any number of them. */
export class PatchRunner implements PictureEncoder {
  /** The picture that runs, and those that wait for it. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly program: Program,
    private readonly vision: MergedVision,
    private readonly processor: PatchProcessor,
  ) {}

  static async compile(graph: Graph, vision: MergedVision, processor: PatchProcessor): Promise<PatchRunner> {
    return new PatchRunner(await Program.compile(graph), vision, processor);
  }

  run(picture: Pixels): Promise<EncodedPicture> {
    const found = this.#last.then(() => this.#run(picture));
    this.#last = found.catch(() => undefined);
    return found;
  }

  async #run(picture: Pixels): Promise<EncodedPicture> {
    const { values, rows, columns, grid } = patchesOf(picture, this.processor);
    const square = this.processor.sizes.merge ** 2;
    const count = grid[0] * grid[1];
    const { hidden } = this.vision.config;
    using patches = new Buffer("f32", values.length);
    using places = new Buffer("i64", 2 * rows.length);
    using mask = new Buffer("i32", rows.length);
    using out = new Buffer("f32", count * hidden);
    using views = new ViewSet();
    new Float32Array(patches.memory).set(values);
    new BigInt64Array(places.memory).set(BigInt64Array.from([...rows, ...columns], BigInt));
    new Int32Array(mask.memory).fill(1);
    const inputs = {
      patches: views.of(patches, [count, square, values.length / rows.length], 0),
      rows: views.of(places, [count, square], 0),
      columns: views.of(places, [count, square], rows.length),
      mask: views.of(mask, [count, square], 0),
    };
    await this.program.bind({ ...inputs, embedding: views.of(out, [1, count, hidden], 0) }).run();
    const cost = evalCost(this.program.cost, { rows: count });
    return { embeddings: new Float32Array(out.memory).slice(), cost, grid };
  }

  /** Frees the program once the pictures that were given have run. */
  [Symbol.dispose](): void {
    void this.#last.then(() => this.program[Symbol.dispose]());
  }
}
