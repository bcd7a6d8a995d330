/** Probes and plans with exits, for tests. */
import { cumSum, divide, type Graph, linear, minus, plus, spread, sum, type Tensor } from "../../../graph/index.ts";
import { count } from "../../../graph/ndarray.ts";
import type { Decoder } from "../../../models/decoder/decoder.ts";
import type { StepProbe } from "../../../models/programs/step-probe.ts";
import { mamba2Config, mamba2StateSize, mamba2Step } from "../../../nn/mamba2.ts";
import { tensorsOf } from "../../../nn/mixer-weights.ts";
import {
  type CutInputs,
  type Decision,
  type Plan,
  type PlanPart,
  planOf,
  type StateFill,
} from "../../../savings/plan.ts";
import { seededRandom } from "../../../util/random.ts";
import { Meter } from "../../bill/meter.ts";
import type { LanguageModel } from "../language-model.ts";
import type { Slot } from "../state/slot.ts";
import { type Outcome, type Step, tokenLogits } from "./stepped.ts";

/** A column [hidden, 1] of random numbers, or of zeros. */
function column(g: Graph, { config: { hidden } }: Decoder, name: string, zero = false): Tensor {
  const random = seededRandom(name.length);
  const values = Float32Array.from({ length: hidden }, () => (zero ? 0 : random() - 0.5));
  const data = { kind: "memory", bytes: new Uint8Array(values.buffer) } as const;
  return g.constant(name, { dtype: "f32", shape: [hidden, 1] }, data);
}

/** Outputs one number, computed with a random weight. */
export const linearProbe = (key: string): StepProbe => ({
  key,
  trace: (g, decoder, stream) => ({ found: linear(stream, column(g, decoder, key)) }),
});

/** Outputs the sum, over all tokens read, of numbers computed with a random weight. */
export const summingProbe = (key: string): StepProbe => ({
  ...{ key, stateSize: 1 },
  trace: (g, decoder, stream, state) => added(linear(stream, column(g, decoder, key)), state!),
});

/** Counts the tokens read. */
export const countingProbe = (key: string): StepProbe => ({
  ...{ key, stateSize: 1 },
  trace: (g, decoder, stream, state) => added(ones(linear(stream, column(g, decoder, key, true))), state!),
});

/** Adds 1 to each element. */
const ones = (zeros: Tensor): Tensor => {
  const data = { kind: "memory", bytes: new Uint8Array(Float32Array.of(1).buffer) } as const;
  return plus(zeros, zeros.graph.constant("one", { dtype: "f32", shape: [1] }, data));
};

const added = (numbers: Tensor, state: Tensor) => ({
  found: plus(cumSum(numbers, 1), spread(state, 1, numbers)),
  state: plus(sum(numbers, 1), state),
});

/** A small Mamba-2 mixer with random weights that outputs one number. */
export const mixerProbe: StepProbe = {
  key: "mixer",
  stateSize: mamba2StateSize(mamba2Config(192, { outputs: 1 })),
  trace(g, { config: { hidden } }, stream, state) {
    const random = seededRandom(9);
    const weightsOf = (name: string, shape: readonly number[]): Tensor => {
      const values = Float32Array.from({ length: count(shape) }, () => (random() - 0.5) / 3);
      const data = { kind: "memory", bytes: new Uint8Array(values.buffer) } as const;
      return g.constant(`mixer ${name}`, { dtype: "f32", shape }, data);
    };
    const { y, state: next } = mamba2Step(tensorsOf(weightsOf), mamba2Config(hidden, { outputs: 1 }), stream, state!);
    return { found: y, state: next };
  },
};

/** Outputs only NaN. */
export const nanProbe: StepProbe = {
  key: "nan",
  trace(g, decoder, stream) {
    const zero = linear(stream, column(g, decoder, "zero", true));
    return { found: divide(zero, minus(zero, zero)) };
  },
};

/** The model's own head, whose logits decide the token of a row that exits. */
export const headProbe: StepProbe = {
  ...{ key: "head", shared: true },
  trace(g, decoder, stream) {
    const logits = decoder.logits(g, decoder.finish(g, { branch: stream }));
    return { found: linear(stream, column(g, decoder, "zero", true)), logits };
  },
};

/** An exit's own head: applies the model's head twice, and adds the logits. */
export const doubledHead = {
  ...{ key: "doubled", shared: true },
  trace(g: Graph, decoder: Decoder, stream: Tensor) {
    const logits = () => decoder.logits(g, decoder.finish(g, { branch: stream }));
    return plus(logits(), logits());
  },
};

export const GO_ON: Decision = { kind: "continue" };
export const STOP: Decision = { kind: "stop" };
export const leave = (fill: StateFill): Decision => ({ kind: "exit", fill });

/** A plan with step cuts. */
export const stepping = (cuts: PlanPart["cuts"], answer?: string): Plan =>
  planOf([{ cuts: cuts!, state: { prompt: "", answer } }]);

/** A cut that records its inputs. */
export function watching(
  after: number,
  probe: StepProbe,
  seen: CutInputs[],
  decide: (inputs: CutInputs) => Decision = () => GO_ON,
) {
  return {
    ...{ after, scope: "step" as const, probe },
    decide(inputs: CutInputs): Decision {
      seen.push(inputs);
      return decide(inputs);
    },
  };
}

/** One decoded token after a prompt, run with a plan. */
export interface ExitRow extends Step {
  readonly slot: Slot;
  readonly logits: Float32Array[];
  readonly plan: Plan;
}

export async function begin(
  { engine }: Pick<LanguageModel, "engine">,
  prompt: readonly number[],
  plan: Plan,
): Promise<ExitRow> {
  await engine.prepare(plan);
  const slot = engine.acquire(prompt, plan);
  const meter = new Meter(engine.programs);
  return { slot, meter, plan, logits: [(await engine.prefill(slot, prompt, meter, plan)).slice()] };
}

/** Runs one step of all rows together; every row must decide a token. */
export async function stepRows(
  { engine }: Pick<LanguageModel, "engine">,
  rows: readonly ExitRow[],
  token: number,
): Promise<Outcome[]> {
  const results = await engine.stepAll(rows.map((row) => ({ ...row, token })));
  for (const [i, { logits }] of rows.entries()) logits.push(tokenLogits(results[i]!).slice());
  return results;
}

/** Logits after a prompt and after each following token. */
export async function run(
  model: Pick<LanguageModel, "engine">,
  prompt: readonly number[],
  next: readonly number[],
  plan: Plan,
) {
  model.engine.forget();
  const row = await begin(model, prompt, plan);
  try {
    for (const token of next) await stepRows(model, [row], token);
    return { logits: row.logits, spent: row.meter.total() };
  } finally {
    model.engine.release(row.slot);
  }
}

export const worst = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);
