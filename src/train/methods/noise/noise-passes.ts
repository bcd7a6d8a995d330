import { type Bindings, evalCost, Graph, graphCost } from "../../../graph/index.ts";
import { squaredErrors } from "../../../models/image-generator/image-generator-graphs.ts";
import { timeVector, type UNet } from "../../../models/image-generator/unet.ts";
import { type Binding, Program } from "../../../runtime/program.ts";
import type { Batch } from "../../data/batch.ts";
import { outputGradients } from "../../graphs/graphs.ts";
import type { TracedWeights } from "../../graphs/traced-weights.ts";
import type { HeadLoss } from "../../heads/objective.ts";
import { bindWeights } from "../../step/bind-weights.ts";
import type { ParameterStore } from "../../step/parameters.ts";
import type { PassCost } from "../../step/passes.ts";
import { type DataInputs, GivenBuffers } from "../../whole/given-buffers.ts";
import type { NoisyImages } from "./batches.ts";

/** A network whose weights are graph inputs, some of them trained. */
export interface TracedUNet {
  readonly unet: UNet;
  readonly weights: TracedWeights;
  readonly trained: (name: string) => boolean;
}

/** Maps a batch's inputs to `nats` [batch], each image's mean squared error. */
export function traceErrors({ unet }: TracedUNet): Graph {
  const g = new Graph();
  g.output("nats", squaredErrors(g, unet));
  return g;
}

/** Like `traceErrors`; also maps `weights` [batch], the images' shares of the loss, to the weights' gradients. */
function traceErrorsBackward(traced: TracedUNet): Graph {
  const g = new Graph();
  const errors = squaredErrors(g, traced.unet);
  g.output("nats", errors);
  outputGradients(g, traced, errors, g.input("weights", "f32", errors.shape), []);
  return g;
}

/** The FLOPs of a batch's forward and backward passes. */
export function noiseFlops(traced: TracedUNet): (sizes: Bindings) => { forward: number; backward: number } {
  const [forward, both] = [traceErrors(traced), traceErrorsBackward(traced)].map((graph) => graphCost(graph));
  return (sizes) => {
    const once = evalCost(forward!, sizes).flops;
    return { forward: once, backward: evalCost(both!, sizes).flops - once };
  };
}

interface BoundWeights {
  readonly program: Program;
  readonly weights: Binding;
}

/** Runs a network forward and backward on noisy images, in one program per step. */
export class NoisePasses implements Disposable {
  readonly #buffers = new GivenBuffers();
  readonly #flops: ReturnType<typeof noiseFlops>;
  #spent = { forward: 0, backward: 0 };

  private constructor(
    private readonly traced: TracedUNet,
    private readonly forward: BoundWeights,
    private readonly both: BoundWeights,
  ) {
    this.#flops = noiseFlops(traced);
  }

  static async create(traced: TracedUNet, store: ParameterStore): Promise<NoisePasses> {
    const compiled = async (graph: Graph): Promise<BoundWeights> => ({
      program: await Program.compile(graph),
      weights: bindWeights(graph, traced, store),
    });
    return new NoisePasses(traced, await compiled(traceErrors(traced)), await compiled(traceErrorsBackward(traced)));
  }

  /** Adds a batch's gradients to the store's; `weight` is each image's share of the loss. Returns the summed errors. */
  async train({ drawings }: Batch, weight: number): Promise<number> {
    const { times } = drawings!;
    const errors = await this.weigh(drawings!, new Float32Array(times.length).fill(weight));
    return errors.reduce((sum, error) => sum + error, 0);
  }

  /** Like `train`, with a separate share for each image; returns each image's error. */
  async weigh(images: NoisyImages, weights: Float32Array): Promise<Float32Array> {
    const shares = { dtype: "f32", shape: [weights.length], values: weights } as const;
    const { forward, backward } = this.#flops({ batch: weights.length });
    this.#spent.forward += forward;
    this.#spent.backward += backward;
    return this.#run(this.both, images, { weights: shares });
  }

  /** Each image's error. */
  async errors(images: NoisyImages): Promise<Float32Array> {
    this.#spent.forward += this.#flops({ batch: images.times.length }).forward;
    return this.#run(this.forward, images, {});
  }

  async evaluate({ drawings }: Batch): Promise<HeadLoss> {
    const errors = await this.errors(drawings!);
    return { nats: errors.reduce((sum, error) => sum + error, 0) };
  }

  takeCost(): PassCost {
    const cost = { ...this.#spent, exits: 0 };
    this.#spent = { forward: 0, backward: 0 };
    return cost;
  }

  async #run({ program, weights }: BoundWeights, images: NoisyImages, more: DataInputs): Promise<Float32Array> {
    const nats = this.#buffers.output("nats", [images.times.length]);
    await program.bind({ ...weights, ...this.#buffers.of({ ...this.#inputs(images), ...more }), nats }).run();
    return new Float32Array(nats.buffer.memory).slice(0, images.times.length);
  }

  #inputs({ x, noise, times, classes }: NoisyImages): DataInputs {
    const { config, timeWidth } = this.traced.unet;
    const shape = [times.length, config.channels, config.imageSize, config.imageSize];
    const waves = Float32Array.from(times.flatMap((time) => timeVector(time, timeWidth, config)));
    return {
      x: { dtype: "f32", shape, values: x },
      noise: { dtype: "f32", shape, values: noise },
      time: { dtype: "f32", shape: [times.length, timeWidth], values: waves },
      ...(config.classes > 0 && {
        classes: { dtype: "i64" as const, shape: [classes.length], values: Int32Array.from(classes) },
      }),
    };
  }

  [Symbol.dispose](): void {
    for (const part of [this.#buffers, this.forward.program, this.both.program]) part[Symbol.dispose]();
  }
}
