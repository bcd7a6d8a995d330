import { createHash } from "node:crypto";
import path from "node:path";
import { addSpent, type Graph, type Spent } from "../../../graph/index.ts";
import { openVision } from "../../../models/images/open-vision.ts";
import type { Vision } from "../../../models/images/vision.ts";
import { traceAnyVision } from "../../../models/images/vision-graph.ts";
import { prepare } from "../../../models/programs/programs.ts";
import { UserError } from "../../../util/errors.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import type { Quant } from "../../../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../../../weights/sources/index.ts";
import type { Gap, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { exact } from "../../encoders/image-text/image-text-model.ts";
import { processorFor } from "../../encoders/image-text/processor-for.ts";
import { pictureSize } from "../../images/pixels/decode.ts";
import { readFittedProcessor } from "../../images/pixels/fitted-tiles.ts";
import { type ImageFile, type ImageInput, imageFile, withPixels } from "../../images/pixels/input.ts";
import { patchSides, patchSized, readPatchProcessor } from "../../images/pixels/patches.ts";
import type { PictureSize, Pixels } from "../../images/pixels/pixels.ts";
import { sized } from "../../images/pixels/processor.ts";
import { readShapedProcessor } from "../../images/pixels/shaped-tiles.ts";
import { readTileProcessor } from "../../images/pixels/tiles.ts";
import { finite } from "../../not-finite.ts";
import { PREFILL_CHUNK } from "../run/chunk.ts";
import type { EmbeddedSpan, PromptSpan } from "../run/spans.ts";
import { PatchRunner, type PictureEncoder, SquareEncoder } from "./picture-encoder.ts";
import {
  type PlacedImage,
  type PlaceImage,
  placeFitted,
  placeFramed,
  placeShaped,
  placeTiles,
  placeWhole,
} from "./placed-image.ts";

/**
 * The maximum number of floats in stored rows, 128 MiB; rows are stored because a chat sends the images of all turns
 * with each new turn.
 */
const MOST_KEPT = 2 ** 25;

/** An image whose header alone has been read. */
export interface UnreadImage extends Pick<PlacedImage, "rows" | "tokens"> {
  /** Decodes and encodes the image. @throws UserError if it cannot be decoded */
  read(): Promise<SeenImage>;
}

/** An image as part of a decoder's residual stream. */
export interface SeenImage {
  /** The rows and tokens that replace the image's token. */
  readonly spans: readonly PromptSpan[];
  /** The number of rows in the residual stream. */
  readonly rows: number;
  /** The cost of the encoder; zeros if the rows were cached. */
  readonly spent: Spent;
}

/** The image encoder of a loaded model. */
export class ImageReader implements Disposable {
  /** Rows by content, the most recently used last. */
  readonly #cache = new Map<string, EmbeddedSpan>();

  private constructor(
    private readonly model: string,
    readonly vision: Vision,
    private readonly place: PlaceImage,
    private readonly encoder: PictureEncoder,
    /** The text around an image's token that chat templates omit. */
    readonly gap: Gap | undefined,
  ) {}

  /** @throws UserError if the model's files need something unsupported */
  static async open(
    source: ResolvedModel,
    checkpoint: Checkpoint,
    quant: Quant,
    tokenizer: Tokenizer,
  ): Promise<ImageReader> {
    const { vision, weights } = await openVision(checkpoint, preparedFolder(source.path), exact(quant));
    const { place, compile } = readingOf(vision, path.dirname(checkpoint.config.path), tokenizer);
    const [graph] = prepare(weights, () => [traceAnyVision(vision)]);
    return new ImageReader(source.path, vision, place, await compile(graph!), gapOf(vision, tokenizer));
  }

  /** The minimum number of rows of an image. */
  get leastTokens(): number {
    return this.vision.pictures === "patches" ? 1 : this.vision.tokens;
  }

  /** Reads an image's header; `index` is its number in the call. @throws UserError if the model cannot read it */
  async readHeader(image: ImageInput, index: number): Promise<UnreadImage> {
    const file = await imageFile(image, index);
    const placed = this.place(await pictureSize(file.bytes, file.name));
    return { rows: placed.rows, tokens: placed.tokens, read: () => this.#read(file, placed) };
  }

  async #read(file: ImageFile, { rows, pictures, spans }: PlacedImage): Promise<SeenImage> {
    const spent: Spent = { flops: 0, bytes: 0 };
    const encoded: EmbeddedSpan[] = [];
    for (const picture of await withPixels(file, pictures)) encoded.push(await this.#see(picture, spent));
    return { spans: spans(encoded), rows, spent };
  }

  async #see(picture: Pixels, spent: Spent): Promise<EmbeddedSpan> {
    const { width, height, data } = picture;
    const hash = createHash("sha256").update(`${this.model} ${width} ${height} `).update(data).digest("hex");
    const known = this.#cache.get(hash);
    const { cost, ...rows } = known ? { ...known, cost: { flops: 0, bytes: 0 } } : await this.encoder.run(picture);
    addSpent(spent, cost);
    const span = { ...rows, embeddings: finite(rows.embeddings, "an image"), contentHash: hash };
    this.#keep(span);
    return span;
  }

  /** Drops the stored rows, so that the next image is billed in full. */
  forget(): void {
    this.#cache.clear();
  }

  #keep(span: EmbeddedSpan): void {
    this.#cache.delete(span.contentHash);
    this.#cache.set(span.contentHash, span);
    let floats = [...this.#cache.values()].reduce((sum, { embeddings }) => sum + embeddings.length, 0);
    for (const [oldest, { embeddings }] of this.#cache) {
      if (floats <= MOST_KEPT || this.#cache.size === 1) return;
      this.#cache.delete(oldest);
      floats -= embeddings.length;
    }
  }

  [Symbol.dispose](): void {
    this.encoder[Symbol.dispose]();
  }
}

const gapOf = (vision: Vision, tokenizer: Tokenizer): Gap | undefined =>
  vision.pictures === "framed" ? { token: tokenizer.text(vision.config.imageToken), text: vision.gap } : undefined;

/** The placement and encoding of a model's images. */
interface Reading {
  readonly place: PlaceImage;
  compile(graph: Graph): Promise<PictureEncoder>;
}

/** Reads the processor in the model's folder. @throws UserError */
function readingOf(vision: Vision, folder: string, tokenizer: Tokenizer): Reading {
  switch (vision.pictures) {
    case "one": {
      const processor = processorFor(folder, vision.encoder.config);
      const compile = (graph: Graph) => SquareEncoder.compile(graph, vision, processor);
      return {
        place: placeWhole(
          (picture) => sized(picture, processor),
          () => vision.tokens,
        ),
        compile,
      };
    }
    case "framed": {
      if (vision.tokens > PREFILL_CHUNK)
        throw new UserError(`${folder}: an image has ${vision.tokens} rows, expected at most ${PREFILL_CHUNK}`);
      const processor = processorFor(folder, vision.encoder.config);
      const compile = (graph: Graph) => SquareEncoder.compile(graph, vision, processor);
      return { place: placeFramed((picture) => sized(picture, processor), vision), compile };
    }
    case "tiles": {
      const processor = readTileProcessor(folder, vision.encoder.config.imageSize);
      const compile = (graph: Graph) => SquareEncoder.compile(graph, vision, processor);
      return { place: placeTiles(processor, tokenizer, vision), compile };
    }
    case "shaped": {
      const processor = readShapedProcessor(folder, vision.encoder.config.imageSize);
      const compile = (graph: Graph) => SquareEncoder.compile(graph, vision, processor);
      return { place: placeShaped(processor, tokenizer, vision), compile };
    }
    case "fitted": {
      const processor = readFittedProcessor(folder, vision.encoder.config.imageSize);
      const compile = (graph: Graph) => SquareEncoder.compile(graph, vision, processor);
      return { place: placeFitted(processor, vision), compile };
    }
    case "patches": {
      const processor = readPatchProcessor(folder, vision.encoder.config);
      const compile = (graph: Graph) => PatchRunner.compile(graph, vision, processor);
      const area = (processor.sizes.patchSize * processor.sizes.merge) ** 2;
      const rowsOf = (size: PictureSize) => {
        const { width, height } = patchSides(size, processor);
        return (width * height) / area;
      };
      return { place: placeWhole((picture) => patchSized(picture, processor), rowsOf), compile };
    }
  }
}
