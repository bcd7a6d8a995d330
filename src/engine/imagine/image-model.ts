import { addSpent, type Spent } from "../../graph/index.ts";
import { traceNoise } from "../../models/image-generator-graphs.ts";
import { sharesLeft } from "../../models/noise-schedule.ts";
import { prepare } from "../../models/programs.ts";
import { openImageGenerator } from "../../models/registry.ts";
import type { ImageGenerator } from "../../models/unet2d.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { suggest, UserError } from "../../util/errors.ts";
import { normals } from "../../util/normals.ts";
import { seededRandom } from "../../util/random.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Usage } from "../answer/generate.ts";
import { denseBill } from "../bill/meter.ts";
import { type Adapted, openAdapted } from "../file/adapters.ts";
import type { Picture } from "../image/encode.ts";
import type { Loaded } from "../kinds/kind.ts";
import { useDense } from "../kinds/seamless.ts";
import { finite } from "../not-finite.ts";
import { NoiseRunner } from "./noise-runner.ts";
import type { ImagineOptions } from "./options.ts";
import { advance, guide, stepsOf } from "./sampler.ts";

/** Images that run together: more at once do not run faster. */
const TOGETHER = 64;
const USUAL_STEPS = 50;

export interface ImagineTerms {
  readonly signal?: AbortSignal | undefined;
  readonly onStopped?: ((usage: Usage) => void) | undefined;
  /** Called after each step, with the steps of all images that are done, and all. */
  readonly onStep?: ((done: number, all: number) => void) | undefined;
}

/** A diffusion model of images, loaded. */
export class ImageModel implements Loaded {
  readonly kind = "image generator";
  readonly #left: Float64Array;
  /** The call that runs, and those that wait for it. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly source: ResolvedModel,
    readonly model: ImageGenerator,
    private readonly runner: NoiseRunner,
  ) {
    this.#left = sharesLeft(model.noise);
  }

  /** @throws UserError if its files need something unsupported */
  static async load(
    source: ResolvedModel,
    { checkpoint }: Adapted = openAdapted(source.path, {}),
  ): Promise<ImageModel> {
    const { model, weights } = openImageGenerator(checkpoint, preparedFolder(source.path));
    const [graph] = prepare(weights, () => [traceNoise(model.unet)]);
    return new ImageModel(source, model, await NoiseRunner.compile(model.unet, graph));
  }

  /** @throws UserError */
  get tokenizer(): Tokenizer {
    throw new UserError(`${this.source.name} draws images of its classes and reads no text`);
  }

  use(recipe: Recipe): Promise<undefined> {
    return useDense(this.source.name, recipe);
  }

  /** Makes images; a call waits until those before it are done. @throws UserError for a class that the model does not have */
  async imagine(options: ImagineOptions, terms: ImagineTerms = {}): Promise<{ images: Picture[]; usage: Usage }> {
    const asked = this.#asked(options);
    const made = this.#last.then(() => this.#imagine({ ...options, ...asked }, terms));
    this.#last = made.catch(() => undefined);
    return await made;
  }

  /** The number of a class's vector, and the steps. @throws UserError */
  #asked({ class: name, steps, guidance }: ImagineOptions): { row: number | undefined; steps: number } {
    const { labels, unconditional, noise } = this.model;
    const most = noise.steps;
    if (steps !== undefined && steps > most)
      throw new UserError(`steps: expected at most ${most}, on which ${this.source.name} was trained, got ${steps}`, 2);
    const row = name === undefined ? unconditional : labels.indexOf(name);
    if (row === -1 || (row === undefined && labels.length > 0)) throw this.#noClass(name);
    if (guidance !== 1 && (name === undefined || unconditional === undefined))
      throw new UserError("guidance is for a class and a model that was also trained on none; expected 1", 2);
    return { row, steps: steps ?? Math.min(USUAL_STEPS, most) };
  }

  #noClass(name: string | undefined): UserError {
    const { labels } = this.model;
    if (labels.length === 0)
      return new UserError(`${this.source.name} has no classes; expected none, got "${name}"`, 2);
    const got = name === undefined ? "got none" : `got "${name}"${suggest(name, labels)}`;
    return new UserError(`class: expected one of ${labels.join(", ")}, ${got}`, 2);
  }

  async #imagine(
    options: ImagineOptions & { readonly row: number | undefined; readonly steps: number },
    { signal, onStopped, onStep }: ImagineTerms,
  ): Promise<{ images: Picture[]; usage: Usage }> {
    const started = performance.now();
    const bill = { flops: 0, bytes: 0, runs: 0 };
    const usage = () => usageOf(bill, performance.now() - started);
    const images: Picture[] = [];
    try {
      while (images.length < options.n) {
        const rows = Math.min(TOGETHER, options.n - images.length);
        const first = images.length;
        const pixels = await this.#draw(options, { first, rows }, bill, (done) => {
          signal?.throwIfAborted();
          onStep?.((first + rows) * options.steps - (options.steps - done) * rows, options.n * options.steps);
        });
        images.push(...this.#pictures(finite(pixels, "an image"), rows));
      }
      return { images, usage: usage() };
    } catch (error) {
      onStopped?.(usage());
      throw error;
    }
  }

  /** Pixels of some images, end to end, within −1 and 1. */
  async #draw(
    {
      row,
      steps,
      sampler,
      guidance,
      seed,
    }: ImagineOptions & { readonly row: number | undefined; readonly steps: number },
    { first, rows }: { readonly first: number; readonly rows: number },
    bill: Spent & { runs: number },
    onStep: (done: number) => void,
  ): Promise<Float32Array> {
    const { channels, imageSize } = this.model.unet.config;
    const size = channels * imageSize ** 2;
    const randoms = Array.from({ length: rows }, (_, i) => normals(seededRandom(seed + first + i)));
    const x = new Float32Array(rows * size);
    for (let i = 0; i < x.length; i++) x[i] = randoms[Math.floor(i / size)]!();
    for (const [done, step] of stepsOf(this.#left, steps).entries()) {
      const noise = await this.#noise(x, rows, step.time, row, guidance, bill);
      for (const [i, random] of randoms.entries()) {
        const [from, to] = [i * size, (i + 1) * size];
        advance(sampler, x.subarray(from, to), noise.subarray(from, to), step, random);
      }
      onStep(done + 1);
    }
    return x;
  }

  async #noise(
    x: Float32Array,
    rows: number,
    time: number,
    row: number | undefined,
    guidance: number,
    bill: Spent & { runs: number },
  ): Promise<Float32Array> {
    const run = async (of: number | undefined) => {
      addSpent(bill, this.runner.cost(rows));
      bill.runs += rows;
      const classes = of === undefined ? [] : Array.from({ length: rows }, () => of);
      return this.runner.run(
        x,
        Array.from({ length: rows }, () => time),
        classes,
      );
    };
    if (guidance === 1) return run(row);
    const conditional = (await run(row)).slice();
    guide(conditional, await run(this.model.unconditional), guidance);
    return conditional;
  }

  #pictures(pixels: Float32Array, rows: number): Picture[] {
    const { channels, imageSize: side } = this.model.unet.config;
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

  /** Frees everything once the calls before have ended. */
  [Symbol.dispose](): void {
    void this.#last.then(() => this.runner[Symbol.dispose]());
  }
}

/** `networkRuns` are those of the network on one image. */
const usageOf = ({ flops, bytes, runs }: Spent & { readonly runs: number }, ms: number): Usage => ({
  ...denseBill({ flops, bytes }),
  work: { networkRuns: { dense: runs, run: runs } },
  tokens: { prompt: 0, cached: 0, completion: 0 },
  ms: { prefill: 0, decode: ms, total: ms },
});
