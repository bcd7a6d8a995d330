import { addSpent, type Graph, type Spent } from "../../../graph/index.ts";
import type { Denoising, ImageGenerator } from "../../../models/image-generator/image-generator.ts";
import { traceNoise } from "../../../models/image-generator/image-generator-graphs.ts";
import { sharesLeft } from "../../../models/image-generator/noise-schedule.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import { consistencyRoute } from "./consistency.ts";
import { type Condition, NoiseRunner } from "./noise-runner.ts";
import type { SamplerName } from "./options.ts";
import type { PictureSize } from "./picture.ts";
import { PromptRunner } from "./prompt-runner.ts";
import { advance, guide, type Route, type RouteStep, renoise, stepsOf } from "./sampler.ts";

/** The drawing's subject and settings. */
export interface Drawing {
  readonly sampler: SamplerName;
  readonly steps: number;
  /** The number of final steps to run: all of them unless there is an initial image. */
  readonly runs: number;
  /** The initial image, in the network's space. */
  readonly image?: Float32Array | undefined;
  /** Seed of the images' initial noise; image i has seed + i. */
  readonly seed: number;
  readonly wanted: Condition;
  /** The weight of the guidance away from `without`; 1 runs the network once per step, other values twice. */
  readonly guidance: number;
  readonly without: Condition;
}

export function sizeOf({ unet, prompts }: ImageGenerator): PictureSize {
  const { channels, imageSize } = unet.config;
  if (!prompts) return { channels, imageSize };
  return { channels: prompts.autoencoder.config.channels, imageSize: imageSize * prompts.autoencoder.enlargement };
}

/** A call's cost so far; `runs`: runs of the network per image. */
export interface DrawingBill extends Spent {
  runs: number;
  /** The number of tokens in the texts that were read. */
  tokens: number;
}

const within = (value: number): number => Math.max(-1, Math.min(1, value));

interface Begin {
  readonly image: Float32Array | undefined;
  readonly step: RouteStep;
  readonly deviation: number;
}

/** Fills an image with the initial noise, or with a given image and the noise of its first step. */
function fill(x: Float32Array, { image, step, deviation }: Begin, random: () => number): void {
  if (image) {
    x.set(image);
    step.noised(x, random);
  } else for (let i = 0; i < x.length; i++) x[i] = deviation * random();
}

/** Draws images from noise with a compiled model. */
export class Painter implements Disposable {
  private constructor(
    private readonly model: ImageGenerator,
    private readonly noise: NoiseRunner,
    private readonly prompts: PromptRunner | undefined,
  ) {}

  /** The graphs for `compile`. */
  static trace({ unet, prompts }: ImageGenerator): Graph[] {
    return [traceNoise(unet), ...(prompts ? PromptRunner.trace(prompts, unet) : [])];
  }

  static async compile(model: ImageGenerator, [network, ...around]: readonly Graph[]): Promise<Painter> {
    const noise = await NoiseRunner.compile(model.unet, network);
    try {
      const { prompts, unet } = model;
      return new Painter(model, noise, prompts && (await PromptRunner.compile(prompts, unet, around)));
    } catch (error) {
      noise[Symbol.dispose]();
      throw error;
    }
  }

  get size(): PictureSize {
    return sizeOf(this.model);
  }

  /** Computes the condition for a text's ids, if the model has a text encoder. */
  async read(ids: readonly number[], bill: DrawingBill): Promise<Condition> {
    addSpent(bill, this.prompts!.textCost);
    bill.tokens += ids.length;
    return { states: await this.prompts!.states(ids) };
  }

  /** Converts an image to the network's space. `pixels`: [channels, side, side] of `size`, within −1 and 1. */
  async begin(pixels: Float32Array, bill: DrawingBill): Promise<Float32Array> {
    if (!this.prompts) return pixels;
    const { values, cost } = await this.prompts.latents(pixels);
    addSpent(bill, cost);
    return values;
  }

  /** Draws `rows` images, starting at index `first`, and returns their pixels, concatenated, within −1 and 1. */
  async draw(
    drawing: Drawing,
    { first, rows }: { readonly first: number; readonly rows: number },
    bill: DrawingBill,
    onStep: (done: number) => void,
  ): Promise<Float32Array> {
    const { channels, imageSize } = this.model.unet.config;
    const size = channels * imageSize ** 2;
    const randoms = Array.from({ length: rows }, (_, i) => normals(seededRandom(drawing.seed + first + i)));
    const x = new Float32Array(rows * size);
    const { deviation, steps: all } = routeOf(this.model.denoising, drawing.sampler, drawing.steps);
    const steps = all.slice(-drawing.runs);
    const begin = { image: drawing.image, step: steps[0]!, deviation };
    for (const [i, random] of randoms.entries()) fill(x.subarray(i * size, (i + 1) * size), begin, random);
    for (const [done, step] of steps.entries()) {
      const scaled = step.scale === 1 ? x : x.map((value) => step.scale * value);
      const output = await this.#predicted(scaled, rows, step.time, drawing, bill);
      for (const [i, random] of randoms.entries()) {
        const [from, to] = [i * size, (i + 1) * size];
        step.advance(x.subarray(from, to), output.subarray(from, to), random);
      }
      onStep(done + 1);
    }
    return await this.#pixels(x, rows, bill);
  }

  async #predicted(
    x: Float32Array,
    rows: number,
    time: number,
    { wanted, without, guidance }: Drawing,
    bill: DrawingBill,
  ): Promise<Float32Array> {
    const run = (condition: Condition) => {
      addSpent(bill, this.noise.cost(rows));
      bill.runs += rows;
      return this.noise.run(x, Array<number>(rows).fill(time), Array<Condition>(rows).fill(condition));
    };
    if (guidance === 1) return run(wanted);
    const conditional = (await run(wanted)).slice();
    guide(conditional, await run(without), guidance);
    return conditional;
  }

  /** The pixels of the network's images. */
  async #pixels(x: Float32Array, rows: number, bill: DrawingBill): Promise<Float32Array> {
    if (!this.prompts) return x.map(within);
    const { channels, imageSize } = this.size;
    const size = channels * imageSize ** 2;
    const pixels = new Float32Array(rows * size);
    for (let i = 0; i < rows; i++) {
      addSpent(bill, this.prompts.pixelCost);
      const latent = x.subarray((i * x.length) / rows, ((i + 1) * x.length) / rows);
      const decoded = await this.prompts.pixels(latent);
      pixels.set(decoded.map(within), i * size);
    }
    return pixels;
  }

  [Symbol.dispose](): void {
    this.noise[Symbol.dispose]();
    this.prompts?.[Symbol.dispose]();
  }
}

/** The `count` steps of a sampler; a consistency model uses its own. */
function routeOf(denoising: Denoising, sampler: SamplerName, count: number): Route {
  if (denoising.kind === "consistency") return consistencyRoute(denoising.noise, count);
  const sampling = { ...denoising.sampling, sampler: sampler === "ddpm" ? sampler : ("ddim" as const) };
  const steps = stepsOf(sharesLeft(denoising.noise), count, sampling).map((step) => ({
    ...{ time: step.time, scale: 1 },
    noised: (x: Float32Array, random: () => number) => renoise(x, step, random),
    advance: (x: Float32Array, noise: Float32Array, random: () => number) => advance(sampling, x, noise, step, random),
  }));
  return { deviation: 1, steps };
}
