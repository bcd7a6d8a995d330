import path from "node:path";
import { addSpent, type Graph, type Spent } from "../../../graph/index.ts";
import type { ImageText } from "../../../models/images/image-text.ts";
import {
  type FeatureLayer,
  featureLayers,
  traceImages,
  traceImageTokens,
  traceTexts,
} from "../../../models/images/image-text-graphs.ts";
import { openImageText } from "../../../models/images/open-vision.ts";
import { prepare } from "../../../models/programs/programs.ts";
import type { Recipe } from "../../../savings/recipe.ts";
import { cosine } from "../../../util/cosine.ts";
import { UserError } from "../../../util/errors.ts";
import type { Quant } from "../../../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../../../weights/sources/index.ts";
import type { Input, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { denseBill } from "../../bill/meter.ts";
import { checkCeiling } from "../../bill/price.ts";
import { type RequestTimes, Stopwatch } from "../../bill/stopwatch.ts";
import type { Usage } from "../../decode/answer/generate.ts";
import { type ModelFiles, openAdapted } from "../../file/adapters.ts";
import { beside } from "../../file/beside.ts";
import { tokenizerOf } from "../../file/tokenizer-of.ts";
import { type ImageInput, isImage, readImage } from "../../images/pixels/input.ts";
import type { Pixels } from "../../images/pixels/pixels.ts";
import { type ImageProcessor, normalisePixels, sized } from "../../images/pixels/processor.ts";
import type { BaseModel } from "../../kinds/kind.ts";
import { useDense } from "../../kinds/seamless.ts";
import { finite } from "../../not-finite.ts";
import { checkTokens, limitOf, type Truncate, textName } from "../../truncate.ts";
import { activate, type Classification, likeliest } from "../text/classifier.ts";
import type { Answers, ReadTerms, TextOrIds } from "../text/encoder-model.ts";
import { EncoderQueue, queued } from "../text/encoder-queue.ts";
import { RowPrograms, RowRunner } from "../text/encoder-runner.ts";
import { ImageRunner } from "./image-runner.ts";
import { processorFor } from "./processor-for.ts";

/** An input: a text, token ids, or an image. */
export type TextOrImage = TextOrIds | ImageInput;

/** An input that is ready to run. */
type PreparedInput =
  | { readonly kind: "text"; readonly input: Input }
  | { readonly kind: "image"; readonly pixels: Float32Array };

/** A loaded model that embeds images and texts in a shared space. */
export class ImageTextModel implements BaseModel {
  readonly kind = "encoder of images and texts";
  /** Runners by layer, each compiled when its tokens are first needed. */
  readonly #tokens = new Map<FeatureLayer, Promise<ImageRunner>>();

  private constructor(
    readonly source: ResolvedModel,
    readonly model: ImageText,
    readonly tokenizer: Tokenizer,
    private readonly processor: ImageProcessor,
    /** Batches texts that wait at the same time. */
    readonly queue: EncoderQueue,
    private readonly images: ImageRunner,
    private readonly tokenGraphs: ReadonlyMap<FeatureLayer, Graph>,
  ) {}

  /** @throws UserError if its files need something unsupported */
  static async load(source: ResolvedModel, quant: Quant = "auto", files?: ModelFiles): Promise<ImageTextModel> {
    const { checkpoint } = files ?? (await openAdapted(source.path, {}));
    const folder = path.dirname(checkpoint.config.path);
    const { model, weights } = await openImageText(checkpoint, preparedFolder(source.path), exact(quant));
    const { text, image, width } = model;
    const processor = processorFor(folder, image.config);
    const graphs = prepare(weights, () => [
      ...[traceTexts(model), traceImages(model, 1)],
      ...featureLayers.map((layer) => traceImageTokens(model, layer)),
    ]);
    const [texts, pictures, ...tokens] = graphs;
    const tokenGraphs = new Map(featureLayers.map((layer, i) => [layer, tokens[i]!]));
    const compiling = RowPrograms.compile(texts!);
    const [programs, tokenizer] = await beside(compiling, () => tokenizerOf(checkpoint, text.config.vocabulary));
    const queue = new EncoderQueue(new RowRunner(programs, { width, types: 0 }));
    try {
      const images = await ImageRunner.compile(pictures!, image.config, [width]);
      return new ImageTextModel(source, model, tokenizer, processor, queue, images, tokenGraphs);
    } catch (error) {
      queue[Symbol.dispose]();
      throw error;
    }
  }

  use(recipe: Recipe): Promise<undefined> {
    return useDense(this.source.name, recipe);
  }

  /**
   * A vector of length 1 for each text or image, in a shared space.
   * @throws UserError if an image cannot be read, a text is empty, or an id is outside the vocabulary
   */
  async embed(inputs: readonly TextOrImage[], terms: ReadTerms = {}): Promise<Answers<Float32Array>> {
    const time = new Stopwatch(terms.arrived);
    time.enter(inputs.some(isImage) ? "encode" : "prefill");
    return this.#run(await this.#prepared(inputs, terms.truncate), terms, time);
  }

  /**
   * The probability of each label for each image, from the cosines of their vectors and the model's scale: over all
   * labels or for each label separately, as in the model's training. Labels are used unchanged.
   * @throws UserError if an image cannot be read, or labels are missing, empty or repeated
   */
  async classify(
    images: readonly ImageInput[],
    labels: readonly string[],
    terms: ReadTerms = {},
  ): Promise<Answers<Classification>> {
    checkLabels(labels);
    const { answers, usage } = await this.embed([...labels, ...images], terms);
    const [texts, found] = [answers.slice(0, labels.length), answers.slice(labels.length)];
    const { logit, traits } = this.model;
    const logits = (image: Float32Array) => texts.map((text) => logit.scale * cosine(image, text) + logit.bias);
    return { answers: found.map((image) => likeliest(labels, activate(logits(image), traits.activation))), usage };
  }

  /** The cost of an image's vector. */
  get imageCost(): Spent {
    return this.images.cost;
  }

  /** An image's tokens after a layer, [tokens, hidden], with the class token first; and their cost. */
  async imageTokens(
    picture: Pixels,
    layer: FeatureLayer,
  ): Promise<{ readonly values: Float32Array; readonly cost: Spent }> {
    const { config, tokens } = this.model.image;
    const compiling =
      this.#tokens.get(layer) ?? ImageRunner.compile(this.tokenGraphs.get(layer)!, config, [tokens, config.hidden]);
    this.#tokens.set(layer, compiling);
    const runner = await compiling;
    const values = await runner.run(normalisePixels(await sized(picture, this.processor), this.processor));
    return { values: finite(values, "an image's tokens"), cost: runner.cost };
  }

  async #run(
    prepared: readonly PreparedInput[],
    { onStopped, ceiling = {}, ...terms }: ReadTerms,
    time: Stopwatch,
  ): Promise<Answers<Float32Array>> {
    checkCeiling(ceiling, () => this.#price(prepared).flops);
    const bill = { flops: 0, bytes: 0, tokens: 0 };
    const seen = { images: 0 };
    const usage = () => this.#usage(bill, seen.images, time.total());
    try {
      const texts = prepared.flatMap((it) => (it.kind === "text" ? [it.input] : []));
      const rows = texts.length > 0 ? await this.queue.read(texts, bill, queued(terms, time)) : [];
      if (texts.length < prepared.length) time.enter("encode");
      const answers: Float32Array[] = [];
      for (const it of prepared) {
        terms.signal?.throwIfAborted();
        if (it.kind === "text") answers.push(rows.shift()!);
        else {
          answers.push(await this.images.run(it.pixels));
          addSpent(bill, this.images.cost);
          seen.images++;
        }
      }
      return { answers: answers.map((row) => finite(row, "a result")), usage: usage() };
    } catch (error) {
      onStopped?.(usage());
      throw error;
    }
  }

  #price(prepared: readonly PreparedInput[]): Spent {
    const sum = this.queue.price(prepared.flatMap((it) => (it.kind === "text" ? [it.input] : [])));
    for (const { kind } of prepared) if (kind === "image") addSpent(sum, this.images.cost);
    return sum;
  }

  /** The usage of a call. An image's tokens count as prompt tokens, and have a separate counter. */
  #usage(bill: Spent & { readonly tokens: number }, images: number, times: RequestTimes): Usage {
    const ofImages = images * this.model.image.tokens;
    return {
      ...denseBill(bill),
      ...(images > 0 && { work: { imageTokens: { dense: ofImages, run: ofImages } } }),
      tokens: { prompt: bill.tokens + ofImages, cached: 0, completion: 0 },
      ...times,
    };
  }

  #prepared(inputs: readonly TextOrImage[], truncate?: Truncate): Promise<PreparedInput[]> {
    return Promise.all(
      inputs.map(async (it, i): Promise<PreparedInput> => {
        if (isImage(it)) return { kind: "image", pixels: await this.#pixels(it, i) };
        return {
          kind: "text",
          input: typeof it === "string" ? this.#text(it, i, truncate) : this.#tokenInput(it, i, truncate),
        };
      }),
    );
  }

  async #pixels(input: ImageInput, index: number): Promise<Float32Array> {
    return normalisePixels(await sized(await readImage(input, index), this.processor), this.processor);
  }

  #text(text: string, index: number, truncate?: Truncate): Input {
    if (text === "") throw new UserError(`text ${index + 1} is empty, expected at least one character`);
    const { context } = this.model.text.config;
    const { ids } = this.tokenizer.input(text, { limit: limitOf(truncate, context) });
    checkTokens(ids.length, context, textName(index));
    return this.#filled(ids);
  }

  #tokenInput(ids: readonly number[], index: number, truncate?: Truncate): Input {
    const { vocabulary, context } = this.model.text.config;
    const beyond = ids.find((id) => id >= vocabulary);
    if (ids.length === 0 || beyond !== undefined)
      throw new UserError(
        `text ${index + 1}: expected one or more token ids, 0 to ${vocabulary - 1}, got ${beyond ?? "none"}`,
      );
    const head = ids.slice(0, limitOf(truncate, context));
    checkTokens(head.length, context, textName(index));
    return this.#filled(head);
  }

  /** Pads a text at the end, if the model was trained with padding. */
  #filled(text: readonly number[]): Input {
    const ids = Array.from({ length: this.model.traits.textLength ?? text.length }, (_, i) => text[i] ?? this.#pad);
    return { ids, types: ids.map(() => 0) };
  }

  get #pad(): number {
    const { pad, path: file } = this.tokenizer;
    if (pad !== undefined) return pad;
    throw new UserError(`${file}: the tokenizer has no padding token, expected one to pad texts`);
  }

  [Symbol.dispose](): void {
    this.queue[Symbol.dispose]();
    this.images[Symbol.dispose]();
    for (const compiling of this.#tokens.values()) void compiling.then((tokens) => tokens[Symbol.dispose]());
  }
}

/** Results are compared with vectors computed elsewhere, so floats are not rounded by default. */
export const exact = (quant: Quant): Quant => (quant === "auto" ? "f32" : quant);

/** @throws UserError unless there is at least one label, and all labels are different and not empty */
export function checkLabels(labels: readonly string[]): void {
  if (labels.length === 0) throw new UserError("no labels are given, expected some to choose among", 2);
  const again = labels.find((label, i) => labels.indexOf(label) !== i);
  if (again !== undefined) throw new UserError(`the label "${again}" is given twice, expected different labels`, 2);
  if (labels.includes("")) throw new UserError("a label is empty, expected at least one character", 2);
}
