import { createHash } from "node:crypto";
import path from "node:path";
import type { Spent } from "../../graph/index.ts";
import { prepare } from "../../models/programs.ts";
import { openVision } from "../../models/registry.ts";
import type { Vision } from "../../models/vision.ts";
import { traceVision } from "../../models/vision-graph.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import { type ImageInput, readImage } from "../image/input.ts";
import { type ImageProcessor, normalisePixels, sized } from "../image/processor.ts";
import { ImageRunner } from "../image-text/image-runner.ts";
import { exact } from "../image-text/image-text-model.ts";
import { processorFor } from "../image-text/processor-for.ts";
import { finite } from "../not-finite.ts";
import type { EmbeddedSpan } from "../run/spans.ts";

/** Images whose rows are kept: a chat sends those of all its turns again with each. */
const KEPT = 16;

/** An image in a decoder's stream. */
export interface SeenImage {
  readonly span: EmbeddedSpan;
  /** The cost of the encoder; zeros if the rows were kept from before. */
  readonly spent: Spent;
}

/** The part of a loaded model that reads images. */
export class ImageReader implements Disposable {
  /** Rows by their content, the one used last at the end. */
  readonly #kept = new Map<string, Float32Array>();

  private constructor(
    private readonly model: string,
    readonly vision: Vision,
    private readonly processor: ImageProcessor,
    private readonly runner: ImageRunner,
  ) {}

  /** @throws UserError if the model's files need something unsupported */
  static async open(source: ResolvedModel, checkpoint: Checkpoint, quant: Quant): Promise<ImageReader> {
    const { vision, weights } = openVision(checkpoint, preparedFolder(source.path), exact(quant));
    const processor = processorFor(path.dirname(checkpoint.config.path), vision.encoder.config);
    const [graph] = prepare(weights, () => [traceVision(vision)]);
    const shape = [vision.tokens, vision.config.hidden];
    const runner = await ImageRunner.compile(graph!, vision.encoder.config, shape);
    return new ImageReader(source.path, vision, processor, runner);
  }

  /** Reads an image; `index` counts those of a call. @throws UserError if it cannot be read */
  async read(image: ImageInput, index: number): Promise<SeenImage> {
    const picture = sized(await readImage(image, index), this.processor);
    const contentHash = createHash("sha256").update(this.model).update(picture.data).digest("hex");
    const known = this.#kept.get(contentHash);
    const embeddings = known ?? finite(await this.runner.run(normalisePixels(picture, this.processor)), "an image");
    this.#keep(contentHash, embeddings);
    const { grid } = this.vision;
    return {
      span: { embeddings, contentHash, ...(grid && { grid }) },
      spent: known ? { flops: 0, bytes: 0 } : this.runner.cost,
    };
  }

  /** Drops the rows that are kept, so that the next image has the bill of a first one. */
  forget(): void {
    this.#kept.clear();
  }

  #keep(hash: string, rows: Float32Array): void {
    this.#kept.delete(hash);
    this.#kept.set(hash, rows);
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value!);
  }

  [Symbol.dispose](): void {
    this.runner[Symbol.dispose]();
  }
}
