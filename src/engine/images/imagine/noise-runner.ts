import { evalCost, type Graph, type Spent } from "../../../graph/index.ts";
import { traceNoise } from "../../../models/image-generator/image-generator-graphs.ts";
import { timeVector, type UNet } from "../../../models/image-generator/unet.ts";
import { Buffer, type View } from "../../../runtime/buffer.ts";
import { type BoundProgram, Program } from "../../../runtime/program.ts";

/** The content of an image: a class, by the index of its vector; a text, by its hidden states [tokens, width]; or neither. */
export interface Condition {
  readonly row?: number | undefined;
  readonly states?: Float32Array | undefined;
}

/** The inputs of a network for a number of images, bound once. */
interface BoundInputs extends Disposable {
  readonly rows: number;
  readonly x: Float32Array;
  readonly time: Float32Array;
  readonly classes: BigInt64Array;
  readonly texts: Float32Array;
  readonly noise: Float32Array;
  readonly program: BoundProgram;
}

/** Runs a network on any number of images at once. */
export class NoiseRunner implements Disposable {
  #bound: BoundInputs | undefined;

  constructor(
    private readonly program: Program,
    private readonly unet: UNet,
  ) {}

  /** `graph`: the graph of `traceNoise`. */
  static async compile(unet: UNet, graph: Graph = traceNoise(unet)): Promise<NoiseRunner> {
    return new NoiseRunner(await Program.compile(graph), unet);
  }

  /** The cost of one run. */
  cost(rows: number): Spent {
    return evalCost(this.program.cost, { batch: rows });
  }

  /** Predicts the noise in concatenated images, at their times and conditions; valid until the next run. */
  async run(x: Float32Array, times: readonly number[], conditions: readonly Condition[]): Promise<Float32Array> {
    const bound = this.#boundTo(times.length);
    bound.x.set(x);
    const { timeWidth, config } = this.unet;
    for (const [i, time] of times.entries()) bound.time.set(timeVector(time, timeWidth, config), i * timeWidth);
    for (const [i, { row, states }] of conditions.entries()) {
      if (row !== undefined) bound.classes[i] = BigInt(row);
      if (states) bound.texts.set(states, i * states.length);
    }
    await bound.program.run();
    return bound.noise;
  }

  #boundTo(rows: number): BoundInputs {
    if (this.#bound?.rows !== rows) {
      this.#bound?.[Symbol.dispose]();
      this.#bound = bind(this.program, this.unet, rows);
    }
    return this.#bound!;
  }

  [Symbol.dispose](): void {
    this.#bound?.[Symbol.dispose]();
    this.program[Symbol.dispose]();
  }
}

function bind(program: Program, { config, timeWidth }: UNet, rows: number): BoundInputs {
  const { channels, imageSize, texts: { tokens, width } = { tokens: 0, width: 0 } } = config;
  const image = [rows, channels, imageSize, imageSize];
  const size = rows * channels * imageSize ** 2;
  const [x, noise] = [new Buffer("f32", size), new Buffer("f32", size)];
  const [time, classes] = [new Buffer("f32", rows * timeWidth), new Buffer("i64", rows)];
  const texts = new Buffer("f32", rows * tokens * width);
  const views: Record<string, View> = {
    ...{ x: x.view(image), noise: noise.view(image), time: time.view([rows, timeWidth]) },
    ...(config.classes > 0 && { classes: classes.view([rows]) }),
    ...(config.texts && { texts: texts.view([rows, tokens, width]) }),
  };
  return {
    ...{ rows, program: program.bind(views) },
    x: new Float32Array(x.memory),
    time: new Float32Array(time.memory),
    classes: new BigInt64Array(classes.memory),
    texts: new Float32Array(texts.memory),
    noise: new Float32Array(noise.memory),
    [Symbol.dispose]() {
      for (const buffer of [x, noise, time, classes, texts]) buffer[Symbol.dispose]();
    },
  };
}
