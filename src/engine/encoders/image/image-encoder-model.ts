import path from "node:path";
import { addSpent, type Graph, type Spent } from "../../../graph/index.ts";
import type { Images } from "../../../models/images/images.ts";
import { traceImageScores, traceImageVector } from "../../../models/images/images-graphs.ts";
import { openImages } from "../../../models/images/open-vision.ts";
import { prepare } from "../../../models/programs/programs.ts";
import type { Recipe } from "../../../savings/recipe.ts";
import { UserError } from "../../../util/errors.ts";
import type { Quant } from "../../../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../../../weights/sources/index.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { denseBill } from "../../bill/meter.ts";
import { checkCeiling } from "../../bill/price.ts";
import { type RequestTimes, Stopwatch } from "../../bill/stopwatch.ts";
import type { Usage } from "../../decode/answer/generate.ts";
import { type ModelFiles, openAdapted } from "../../file/adapters.ts";
import { type ImageInput, readImage } from "../../images/pixels/input.ts";
import { type ImageProcessor, normalisePixels, readImageProcessor, sized } from "../../images/pixels/processor.ts";
import type { BaseModel } from "../../kinds/kind.ts";
import { useDense } from "../../kinds/seamless.ts";
import { finite } from "../../not-finite.ts";
import { ImageRunner } from "../image-text/image-runner.ts";
import { exact } from "../image-text/image-text-model.ts";
import { squareOf } from "../image-text/processor-for.ts";
import { type Classification, type ClassifierSettings, classification, readClassifier } from "../text/classifier.ts";
import type { Answers, ReadTerms } from "../text/encoder-model.ts";

/** A kind of result for an image; its program is compiled on first use. */
type Output = "vector" | "scores";

/** A loaded image-only model: image vectors, and a classifier's labels if it has a head. */
export class ImageEncoderModel implements BaseModel {
  readonly kind = "image encoder";
  readonly #runners = new Map<Output, Promise<ImageRunner>>();

  private constructor(
    readonly source: ResolvedModel,
    readonly model: Images,
    private readonly processor: ImageProcessor,
    readonly classifier: ClassifierSettings | undefined,
    private readonly graphs: { readonly vector: Graph; readonly scores: Graph | undefined },
  ) {}

  /** @throws UserError if its files need something unsupported */
  static async load(source: ResolvedModel, quant: Quant = "auto", files?: ModelFiles): Promise<ImageEncoderModel> {
    const { checkpoint } = files ?? (await openAdapted(source.path, {}));
    const folder = path.dirname(checkpoint.config.path);
    const processor = readImageProcessor(folder, "bilinear");
    const side = squareOf(folder, processor);
    const { model, weights } = await openImages(checkpoint, preparedFolder(source.path), exact(quant), side);
    const classifier = classifierOf(model, checkpoint.config);
    const [vector, scores] = prepare(weights, () => [
      traceImageVector(model),
      ...(classifier ? [traceImageScores(model)] : []),
    ]);
    return new ImageEncoderModel(source, model, processor, classifier, { vector: vector!, scores });
  }

  /** @throws UserError */
  get tokenizer(): Tokenizer {
    throw new UserError(`${this.source.name} encodes images and reads no text`);
  }

  use(recipe: Recipe): Promise<undefined> {
    return useDense(this.source.name, recipe);
  }

  /** A vector of length 1 for each image. @throws UserError if an image cannot be read */
  async embed(images: readonly ImageInput[], terms: ReadTerms = {}): Promise<Answers<Float32Array>> {
    return this.#run("vector", images, terms);
  }

  /**
   * Scores of the classifier's labels for each image; with `among`, only of those labels.
   * @throws UserError if the model lacks the head or a label, or an image cannot be read
   */
  async classify(
    images: readonly ImageInput[],
    among: readonly string[] | undefined,
    terms: ReadTerms = {},
  ): Promise<Answers<Classification>> {
    const { classifier } = this;
    if (!classifier)
      throw new UserError(`${this.source.name} has no classification head; expected an image classifier or a CLIP`);
    const { answers, usage } = await this.#run("scores", images, terms);
    return { answers: answers.map((logits) => classification(classifier, logits, among)), usage };
  }

  async #run(
    output: Output,
    images: readonly ImageInput[],
    { onStopped, signal, arrived, ceiling = {} }: ReadTerms,
  ): Promise<Answers<Float32Array>> {
    const time = new Stopwatch(arrived);
    time.enter("encode");
    const runner = await this.#runner(output);
    checkCeiling(ceiling, () => images.length * runner.cost.flops);
    const spent: Spent = { flops: 0, bytes: 0 };
    const answers: Float32Array[] = [];
    const usage = () => this.#usage(spent, answers.length, time.total());
    try {
      for (const [i, image] of images.entries()) {
        signal?.throwIfAborted();
        const picture = await sized(await readImage(image, i), this.processor);
        answers.push(finite(await runner.run(normalisePixels(picture, this.processor)), "a result"));
        addSpent(spent, runner.cost);
      }
      return { answers, usage: usage() };
    } catch (error) {
      onStopped?.(usage());
      throw error;
    }
  }

  #runner(output: Output): Promise<ImageRunner> {
    const { image, classes } = this.model;
    const width = output === "vector" ? image.config.hidden : classes;
    const known = this.#runners.get(output) ?? ImageRunner.compile(this.graphs[output]!, image.config, [width]);
    this.#runners.set(output, known);
    return known;
  }

  #usage(spent: Spent, images: number, times: RequestTimes): Usage {
    const tokens = images * this.model.image.tokens;
    return {
      ...denseBill(spent),
      work: { imageTokens: { dense: tokens, run: tokens } },
      tokens: { prompt: tokens, cached: 0, completion: 0 },
      ...times,
    };
  }

  [Symbol.dispose](): void {
    for (const runner of this.#runners.values()) void runner.then((held) => held[Symbol.dispose]());
  }
}

/**
 * The labels of a classifier's head; undefined if the model has none.
 * @throws UserError for an unsupported kind of head
 */
export const classifierOf = (
  { classes }: Images,
  config: Parameters<typeof readClassifier>[0],
): ClassifierSettings | undefined =>
  classes === 0 ? undefined : readClassifier(config, classes, "ForImageClassification");
