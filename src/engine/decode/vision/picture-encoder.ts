import { evalCost, type Graph, type Spent } from "../../../graph/index.ts";
import type { MergedVision } from "../../../models/images/merged-vision.ts";
import { type PatchInput, patchCounts, patchInputs } from "../../../models/images/patch-inputs.ts";
import { rowWidth, type SquareVision } from "../../../models/images/vision.ts";
import { Buffer, type View } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { ImageRunner } from "../../encoders/image-text/image-runner.ts";
import { type PatchProcessor, patchesOf } from "../../images/pixels/patches.ts";
import type { Pixels } from "../../images/pixels/pixels.ts";
import { normalisePixels, type PixelScale } from "../../images/pixels/processor.ts";
import type { EmbeddedSpan } from "../run/spans.ts";

/** An image as rows of the residual stream, and their cost. */
export interface EncodedPicture extends Pick<EmbeddedSpan, "embeddings" | "grid"> {
  readonly cost: Spent;
}

/** Encodes images of supported sizes as rows of the decoder's residual stream. */
export interface PictureEncoder extends Disposable {
  run(picture: Pixels): Promise<EncodedPicture>;
}

/** Runs the encoder of square images of one size. */
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

/** The inputs of one run, in buffers. */
class InputBuffers implements Disposable {
  readonly views: Readonly<Record<string, View>>;

  constructor(inputs: Readonly<Record<string, PatchInput>>) {
    this.views = Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, values }]) => [name, bufferOf(values).view(shape)]),
    );
  }

  [Symbol.dispose](): void {
    for (const { buffer } of Object.values(this.views)) buffer[Symbol.dispose]();
  }
}

function bufferOf(values: PatchInput["values"]): Buffer {
  const dtype = values instanceof Float32Array ? "f32" : values instanceof Int32Array ? "i32" : "i64";
  const buffer = new Buffer(dtype, values.length);
  new Uint8Array(buffer.memory).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return buffer;
}

/** Runs an encoder of images of any size that divides into whole squares of patches. */
export class PatchRunner implements PictureEncoder {
  /** Resolves when the running image, and those that wait for it, are done. */
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
    const run = this.#last.then(() => this.#run(picture));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #run(picture: Pixels): Promise<EncodedPicture> {
    const patches = patchesOf(picture, this.processor);
    const { grid } = patches;
    const shape = [1, grid[0] * grid[1], rowWidth(this.vision.config)];
    using inputs = new InputBuffers(patchInputs(this.vision.encoder.config, patches));
    using out = new Buffer("f32", shape[1]! * shape[2]!);
    await this.program.bind({ ...inputs.views, embedding: out.view(shape) }).run();
    const cost = evalCost(this.program.cost, patchCounts(this.vision.encoder.config, grid));
    return { embeddings: new Float32Array(out.memory).slice(), cost, grid };
  }

  /** Frees the program once the submitted images have run. */
  [Symbol.dispose](): void {
    void this.#last.then(() => this.program[Symbol.dispose]());
  }
}
