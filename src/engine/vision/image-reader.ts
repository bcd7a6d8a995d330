import { createHash } from "node:crypto";
import path from "node:path";
import { addSpent, type Spent } from "../../graph/index.ts";
import { prepare } from "../../models/programs.ts";
import { openVision } from "../../models/registry.ts";
import type { Vision } from "../../models/vision.ts";
import { traceVision } from "../../models/vision-graph.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { type ImageInput, readImage } from "../image/input.ts";
import type { Pixels } from "../image/pixels.ts";
import { normalisePixels, type PixelScale } from "../image/processor.ts";
import { readTileProcessor } from "../image/tiles.ts";
import { ImageRunner } from "../image-text/image-runner.ts";
import { exact } from "../image-text/image-text-model.ts";
import { processorFor } from "../image-text/processor-for.ts";
import { finite } from "../not-finite.ts";
import type { EmbeddedSpan, PromptSpan } from "../run/spans.ts";
import { type PlaceImage, placeTiles, placeWhole } from "./placed-image.ts";

/** Floats of the rows that are kept, 128 MiB: a chat sends the images of all its turns again with each. */
const MOST_KEPT = 2 ** 25;

/** An image in a decoder's stream. */
export interface SeenImage {
  /** What stands in the place of its token. */
  readonly spans: readonly PromptSpan[];
  /** Rows of the stream. */
  readonly tokens: number;
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
    private readonly place: PlaceImage,
    private readonly scale: PixelScale,
    private readonly runner: ImageRunner,
  ) {}

  /** @throws UserError if the model's files need something unsupported */
  static async open(
    source: ResolvedModel,
    checkpoint: Checkpoint,
    quant: Quant,
    tokenizer: Tokenizer,
  ): Promise<ImageReader> {
    const { vision, weights } = openVision(checkpoint, preparedFolder(source.path), exact(quant));
    const { place, scale } = placing(vision, path.dirname(checkpoint.config.path), tokenizer);
    const [graph] = prepare(weights, () => [traceVision(vision)]);
    const shape = [vision.tokens, vision.config.hidden];
    const runner = await ImageRunner.compile(graph!, vision.encoder.config, shape);
    return new ImageReader(source.path, vision, place, scale, runner);
  }

  /** Reads an image; `index` counts those of a call. @throws UserError if it cannot be read */
  async read(image: ImageInput, index: number): Promise<SeenImage> {
    const { pictures, spans } = this.place(await readImage(image, index));
    const spent: Spent = { flops: 0, bytes: 0 };
    const rows: EmbeddedSpan[] = [];
    for (const picture of pictures) rows.push(await this.#see(picture, spent));
    return { spans: spans(rows), tokens: rows.length * this.vision.tokens, spent };
  }

  async #see(picture: Pixels, spent: Spent): Promise<EmbeddedSpan> {
    const contentHash = createHash("sha256").update(this.model).update(picture.data).digest("hex");
    const known = this.#kept.get(contentHash);
    const embeddings = known ?? finite(await this.runner.run(normalisePixels(picture, this.scale)), "an image");
    if (!known) addSpent(spent, this.runner.cost);
    this.#keep(contentHash, embeddings);
    const { grid } = this.vision;
    return { embeddings, contentHash, ...(grid && { grid }) };
  }

  /** Drops the rows that are kept, so that the next image has the bill of a first one. */
  forget(): void {
    this.#kept.clear();
  }

  #keep(hash: string, rows: Float32Array): void {
    this.#kept.delete(hash);
    this.#kept.set(hash, rows);
    let floats = [...this.#kept.values()].reduce((sum, { length }) => sum + length, 0);
    for (const [oldest, { length }] of this.#kept) {
      if (floats <= MOST_KEPT || this.#kept.size === 1) return;
      this.#kept.delete(oldest);
      floats -= length;
    }
  }

  [Symbol.dispose](): void {
    this.runner[Symbol.dispose]();
  }
}

/** The way of a model's images into its prompts, by the processor in its folder. @throws UserError */
function placing(vision: Vision, folder: string, tokenizer: Tokenizer): { place: PlaceImage; scale: PixelScale } {
  const { config } = vision.encoder;
  switch (vision.pictures) {
    case "one": {
      const processor = processorFor(folder, config);
      return { place: placeWhole(processor), scale: processor };
    }
    case "tiles": {
      const processor = readTileProcessor(folder, config.imageSize);
      return { place: placeTiles(processor, tokenizer, vision.config), scale: processor };
    }
  }
}
