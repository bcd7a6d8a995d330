import {
  divide,
  evalCost,
  Graph,
  minus,
  plus,
  type Spent,
  scale,
  sqrt,
  sym,
  type Tensor,
  times,
} from "../../graph/index.ts";
import { Buffer, type View } from "../../runtime/buffer.ts";
import { type BoundProgram, Program } from "../../runtime/program.ts";
import type { OptimizerOptions } from "../options.ts";
import type { Parameter, ParameterStore, Span } from "./parameters.ts";

/** Elements per program run: few enough for a slice to fit in caches, and enough to outweigh the call's overhead. */
const SLICE = 262_144;

/** The numbers that change from step to step. */
interface Step {
  /** The update's number, counted from 1. */
  readonly count: number;
  readonly rate: number;
  /** The factor by which clipping multiplies the gradient. */
  readonly clip: number;
}

/**
 * A rule that updates values from gradients: a graph over a slice, with the inputs `value` and `gradient`, the rule's
 * states, and scalars.
 */
interface Rule {
  /** The names of the rule's buffers, each as long as the values. */
  readonly states: readonly string[];
  readonly scalars: readonly string[];
  trace(g: Graph, slice: (name: string) => Tensor, scalar: (name: string) => Tensor): Record<string, Tensor>;
  /** A step's scalars; `decays` is true if weight decay applies to this slice. */
  numbers(step: Step, decays: boolean): readonly number[];
}

/** AdamW (Loshchilov & Hutter 2019), with operations ordered as in PyTorch's `torch.optim.AdamW`. */
const adamw = ({ beta1, beta2, eps, weightDecay }: OptimizerOptions): Rule => ({
  states: ["first", "second"],
  scalars: ["clip", "keep", "step", "root", "eps"],
  trace(_, slice, scalar) {
    const gradient = times(slice("gradient"), scalar("clip"));
    const first = plus(scale(slice("first"), beta1), scale(gradient, 1 - beta1));
    const second = plus(scale(slice("second"), beta2), scale(times(gradient, gradient), 1 - beta2));
    const divisor = plus(times(sqrt(second), scalar("root")), scalar("eps"));
    const change = times(divide(first, divisor), scalar("step"));
    return { first, second, value: minus(times(slice("value"), scalar("keep")), change) };
  },
  numbers: ({ count, rate, clip }, decays) => [
    clip,
    decays ? 1 - rate * weightDecay : 1,
    rate / (1 - beta1 ** count),
    1 / Math.sqrt(1 - beta2 ** count),
    eps,
  ],
});

/** Gradient descent with momentum, as in PyTorch's `torch.optim.SGD`: weight decay is added to the gradient. */
const sgd = ({ momentum, weightDecay }: OptimizerOptions): Rule => ({
  states: ["velocity"],
  scalars: ["clip", "decay", "rate"],
  trace(_, slice, scalar) {
    const value = slice("value");
    const gradient = plus(times(slice("gradient"), scalar("clip")), times(value, scalar("decay")));
    const velocity = plus(scale(slice("velocity"), momentum), gradient);
    return { velocity, value: minus(value, times(velocity, scalar("rate"))) };
  },
  numbers: ({ rate, clip }, decays) => [clip, decays ? weightDecay : 0, rate],
});

const rules = { adamw, sgd };

/** Returns a parameter's learning-rate multiplier. */
type FactorOf = (name: string) => number;

/** Updates a store's trained parameters in place, from their gradients. */
export class Optimizer implements Disposable {
  /** The optimiser's buffers by name, each as long as the trained parameters; checkpoints store them. */
  readonly states: Readonly<Record<string, Buffer>>;
  /** The cost of one step. */
  readonly cost: Spent;
  readonly #scalars: Buffer;
  readonly #runs: readonly { readonly bound: BoundProgram; readonly decays: boolean; readonly factor: number }[];

  private constructor(
    private readonly rule: Rule,
    private readonly program: Program,
    store: ParameterStore,
    factorOf: FactorOf,
  ) {
    this.states = Object.fromEntries(rule.states.map((name) => [name, new Buffer("f32", store.trainedElements)]));
    for (const { memory } of Object.values(this.states)) new Float32Array(memory).fill(0);
    this.#scalars = new Buffer("f32", rule.scalars.length);
    const scalars = Object.fromEntries(rule.scalars.map((name, i) => [name, this.#scalars.view([], i)]));
    const bind = (span: Span) => program.bind({ ...scalars, ...this.#slices(store, span) });
    const runs = (span: Span, decays: boolean) =>
      byFactor(store.parameters, span, factorOf).flatMap(({ factor, ...part }) =>
        slicesOf(part).map((slice) => ({ bound: bind(slice), decays, factor })),
      );
    this.#runs = [...runs(store.matrices, true), ...runs(store.vectors, false)];
    this.cost = evalCost(program.cost, { n: store.trainedElements });
  }

  /** `factorOf` returns a parameter's learning-rate multiplier. */
  static async create(
    options: OptimizerOptions,
    store: ParameterStore,
    factorOf: FactorOf = () => 1,
  ): Promise<Optimizer> {
    const rule = rules[options.name](options);
    return new Optimizer(rule, await Program.compile(traceRule(rule)), store, factorOf);
  }

  async step(step: Step): Promise<void> {
    const scalars = new Float32Array(this.#scalars.memory);
    for (const { bound, decays, factor } of this.#runs) {
      scalars.set(this.rule.numbers({ ...step, rate: factor * step.rate }, decays));
      await bound.run();
    }
  }

  #slices(store: ParameterStore, { offset, elements }: Span): Record<string, View> {
    const all = { value: store.values, gradient: store.gradients, ...this.states };
    return Object.fromEntries(
      Object.entries(all).flatMap(([name, buffer]) => {
        const view = buffer.view([elements], offset);
        return [
          [name, view],
          [`${name}Out`, view],
        ];
      }),
    );
  }

  [Symbol.dispose](): void {
    this.program[Symbol.dispose]();
    this.#scalars[Symbol.dispose]();
    for (const buffer of Object.values(this.states)) buffer[Symbol.dispose]();
  }
}

function traceRule(rule: Rule): Graph {
  const g = new Graph();
  const known = new Map<string, Tensor>();
  const input = (shape: Tensor["shape"]) => (name: string) => {
    const tensor = known.get(name) ?? g.input(name, "f32", shape);
    known.set(name, tensor);
    return tensor;
  };
  const results = rule.trace(g, input([sym("n")]), input([]));
  for (const [name, tensor] of Object.entries(results)) g.output(`${name}Out`, tensor);
  return g;
}

/** Splits a span into stretches of adjacent parameters that have the same factor. */
function byFactor(parameters: readonly Parameter[], { offset, elements }: Span, factorOf: FactorOf) {
  const end = offset + elements;
  const within = parameters.filter((parameter) => parameter.offset >= offset && parameter.offset < end);
  const factors = within.map(({ name }) => factorOf(name));
  const starts = within.map((_, i) => i).filter((i) => i === 0 || factors[i] !== factors[i - 1]);
  return starts.map((i, part): Span & { readonly factor: number } => {
    const from = within[i]!.offset;
    return { offset: from, elements: (within[starts[part + 1]!]?.offset ?? end) - from, factor: factors[i]! };
  });
}

const slicesOf = ({ offset, elements }: Span): Span[] =>
  Array.from({ length: Math.ceil(elements / SLICE) }, (_, i) => ({
    offset: offset + i * SLICE,
    elements: Math.min(SLICE, elements - i * SLICE),
  }));

/**
 * The factor that limits a gradient of norm `norm` to `longest`, as in PyTorch's `clip_grad_norm_`; a `longest` of 0
 * turns clipping off.
 */
export const clipFactor = (norm: number, longest: number): number =>
  longest === 0 ? 1 : Math.min(1, longest / (norm + 1e-6));
