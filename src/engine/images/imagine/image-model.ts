import path from "node:path";
import type { ImageGenerator } from "../../../models/image-generator/image-generator.ts";
import { prepare } from "../../../models/programs/programs.ts";
import { openImageGenerator } from "../../../models/registry.ts";
import type { Recipe } from "../../../savings/recipe.ts";
import { UserError } from "../../../util/errors.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import { preparedFolder, type ResolvedModel } from "../../../weights/sources/index.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { denseBill } from "../../bill/meter.ts";
import { type RequestTimes, Stopwatch } from "../../bill/stopwatch.ts";
import type { Usage } from "../../decode/answer/generate.ts";
import { type ModelFiles, openAdapted } from "../../file/adapters.ts";
import { tokenizerOf } from "../../file/tokenizer-of.ts";
import type { BaseModel } from "../../kinds/kind.ts";
import { useDense } from "../../kinds/seamless.ts";
import { finite } from "../../not-finite.ts";
import type { Picture } from "../pixels/encode.ts";
import { readImage } from "../pixels/input.ts";
import { type DrawingTerms, drawingTermsOf } from "./drawing-terms.ts";
import type { ImagineOptions } from "./options.ts";
import { type Drawing, type DrawingBill, Painter } from "./painter.ts";
import { asInput } from "./picture.ts";

/** The number of images per batch: larger batches are not faster, and images from a prompt need more memory. */
const TOGETHER = { pixels: 64, latents: 4 };

export interface ImagineTerms {
  readonly signal?: AbortSignal | undefined;
  readonly onStopped?: ((usage: Usage) => void) | undefined;
  /** Called after each step, with the number of steps done over all images, and the total. */
  readonly onStep?: ((done: number, all: number) => void) | undefined;
}

/** A loaded image diffusion model. */
export class ImageModel implements BaseModel {
  readonly kind = "image generator";
  /** Resolves when the running call, and those that wait for it, are done. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly source: ResolvedModel,
    readonly model: ImageGenerator,
    readonly painter: Painter,
    private readonly words: Tokenizer | undefined,
  ) {}

  /** @throws UserError if its files need something unsupported */
  static async load(source: ResolvedModel, files?: ModelFiles): Promise<ImageModel> {
    const { checkpoint } = files ?? (await openAdapted(source.path, {}));
    const { model, weights } = await openImageGenerator(checkpoint, preparedFolder(source.path));
    const words = wordsOf(checkpoint, model);
    const graphs = prepare(weights, () => Painter.trace(model));
    return new ImageModel(source, model, await Painter.compile(model, graphs), words);
  }

  /** @throws UserError for a model that draws classes */
  get tokenizer(): Tokenizer {
    if (this.words) return this.words;
    throw new UserError(`${this.source.name} draws images of its classes and reads no text`);
  }

  use(recipe: Recipe): Promise<undefined> {
    return useDense(this.source.name, recipe);
  }

  /** Makes images; a call waits for earlier ones. @throws UserError for a condition that the model cannot draw */
  async imagine(options: ImagineOptions, terms: ImagineTerms = {}): Promise<{ images: Picture[]; usage: Usage }> {
    const time = new Stopwatch();
    time.enter("encode");
    const request = drawingTermsOf(this.source.name, this.model, options);
    const picture = options.image === undefined ? undefined : await this.#picture(options.image);
    time.enter("queue");
    const images = this.#last.then(() => this.#imagine({ ...options, ...request }, picture, terms, time));
    this.#last = images.catch(() => undefined);
    return await images;
  }

  async #imagine(
    request: Omit<ImagineOptions, keyof DrawingTerms> & DrawingTerms,
    picture: Float32Array | undefined,
    { signal, onStopped, onStep }: ImagineTerms,
    time: Stopwatch,
  ): Promise<{ images: Picture[]; usage: Usage }> {
    time.enter("encode");
    const bill = { flops: 0, bytes: 0, runs: 0, tokens: 0 };
    const usage = () => usageOf(bill, time.total());
    const images: Picture[] = [];
    const { n, runs } = request;
    try {
      const image = picture && (await this.painter.begin(picture, bill));
      time.enter("prefill");
      const drawing = { ...request, ...(await this.#conditions(request, bill)), image };
      time.enter("decode");
      while (images.length < n) {
        const rows = Math.min(this.model.prompts ? TOGETHER.latents : TOGETHER.pixels, n - images.length);
        const first = images.length;
        const pixels = await this.painter.draw(drawing, { first, rows }, bill, (done) => {
          signal?.throwIfAborted();
          onStep?.((first + rows) * runs - (runs - done) * rows, n * runs);
        });
        images.push(...this.#pictures(finite(pixels, "an image"), rows));
      }
      return { images, usage: usage() };
    } catch (error) {
      onStopped?.(usage());
      throw error;
    }
  }

  /** Reads an image file as the model's pixels. @throws UserError */
  async #picture(image: string): Promise<Float32Array> {
    return asInput(await readImage({ image }, 0), this.painter.size, image);
  }

  /** Computes the conditions of a call; guidance compares a text with the empty text. */
  async #conditions(
    { wanted, guidance }: DrawingTerms,
    bill: DrawingBill,
  ): Promise<Pick<Drawing, "wanted" | "without">> {
    if (wanted.kind === "class") return { wanted: { row: wanted.row }, without: { row: wanted.none } };
    const read = (text: string) => this.painter.read(this.#ids(text), bill);
    const states = await read(wanted.prompt);
    return { wanted: states, without: guidance === 1 ? states : await read("") };
  }

  /** A text's ids, cut or padded to the encoder's length. */
  #ids(text: string): number[] {
    const { context } = this.model.prompts!.texts.config;
    const { ids } = this.tokenizer.input(text, { limit: context });
    return [...ids, ...Array<number>(context - ids.length).fill(this.tokenizer.pad!)];
  }

  #pictures(pixels: Float32Array, rows: number): Picture[] {
    const { channels, imageSize: side } = this.painter.size;
    const size = channels * side * side;
    return Array.from({ length: rows }, (_, i) => {
      const data = new Uint8Array(size);
      for (let at = 0; at < size; at++) {
        const [channel, place] = [Math.floor(at / side / side), at % (side * side)];
        data[place * channels + channel] = Math.round(127.5 * (pixels[i * size + at]! + 1));
      }
      return { width: side, height: side, channels, data };
    });
  }

  /** Frees everything once the earlier calls have ended. */
  [Symbol.dispose](): void {
    void this.#last.then(() => this.painter[Symbol.dispose]());
  }
}

/** The separate tokenizer of a model that reads texts. @throws UserError if it has no padding */
function wordsOf(checkpoint: Checkpoint, { prompts }: ImageGenerator): Tokenizer | undefined {
  if (!prompts) return undefined;
  const folder = path.join(path.dirname(checkpoint.config.path), "tokenizer");
  const words = tokenizerOf(checkpoint, prompts.texts.config.vocabulary, folder);
  if (words.pad !== undefined) return words;
  throw new UserError(`${words.path}: there is no "pad_token" to pad prompts`);
}

/** The usage of a call; its unit of work is one run of the network on one image. */
const usageOf = ({ flops, bytes, runs, tokens }: DrawingBill, times: RequestTimes): Usage => ({
  ...denseBill({ flops, bytes }),
  work: { networkRuns: { dense: runs, run: runs } },
  tokens: { prompt: tokens, cached: 0, completion: 0 },
  ...times,
});
