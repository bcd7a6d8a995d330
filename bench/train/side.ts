import type { TrainingData } from "../../src/train/data/batch.ts";
import { compile } from "../child.ts";
import type { Side } from "../harness.ts";
import { US } from "../sides.ts";
import { sent, TrainChild } from "./child.ts";
import type { Prepared } from "./peer.ts";
import { python, script } from "./python.ts";

/** Compares a side's losses with the losses of the other side, over the same steps. @throws Error if they differ */
export type CheckLosses = (first: number, losses: readonly number[], tolerance: number) => void;

export function sameLosses(): CheckLosses {
  const known: number[] = [];
  return (first, losses, tolerance) => {
    for (const [i, loss] of losses.entries()) {
      known[first + i] ??= loss;
      const other = known[first + i]!;
      if (!(Math.abs(loss - other) <= tolerance))
        throw new Error(`the sides train differently: the loss of step ${first + i + 1} is ${loss} and ${other}`);
    }
  };
}

export interface TrainSide {
  readonly name: string;
  readonly training: TrainingData;
  /** Steps per measurement. */
  readonly steps: number;
  start(): Promise<TrainChild>;
  measure(child: TrainChild, seconds: number): Promise<number>;
  readonly check: CheckLosses;
  /** The largest allowed difference between losses, in nats. */
  readonly tolerance: number;
}

/** A training side in a child process; each measurement runs the next steps. */
export function trainSide({ name, training, steps, start, measure, check, tolerance }: TrainSide): Side {
  let child: TrainChild | undefined;
  let done = 0;
  return {
    name,
    async start() {
      child = await start();
      done = 0;
    },
    async run() {
      if (!child) throw new Error(`${name} has not been started`);
      const batches = Array.from({ length: steps }, (_, i) => sent(training.batch(done + i)));
      const { seconds, losses } = await child.call("steps", { batches });
      check(done, losses, tolerance);
      done += steps;
      return measure(child, seconds);
    },
    async stop() {
      await child?.stop();
      child = undefined;
    },
  };
}

export const msPerStep = (steps: number) => async (_: TrainChild, seconds: number) => (1000 * seconds) / steps;

export const peakMegabytes = async (child: TrainChild): Promise<number> => (await child.call("peak", {})).bytes / 1e6;

interface Pair {
  readonly prepared: Prepared;
  readonly steps: number;
  /** The peer's script in `tools/reference`, and its arguments. */
  readonly peer: { readonly name: string; readonly script: string; readonly args: readonly string[] };
  measure(child: TrainChild, seconds: number): Promise<number>;
}

/** Our trainer and PyTorch on the same run, both in float32, and PyTorch in bfloat16 for information. */
export function trainSides({ prepared, steps, peer, measure }: Pair): { ours: Side; theirs: Side; beside: Side } {
  const common = { training: prepared.data.training, steps, measure, check: sameLosses() };
  const inPython = (precision: "float32" | "bfloat16") => async () =>
    TrainChild.start(await python(), [script(peer.script), ...peer.args, "--precision", precision]);
  return {
    ours: trainSide({
      ...{ ...common, name: US, tolerance: 1e-3 },
      start: async () =>
        TrainChild.start(process.execPath, [await compile("train/engine.ts"), JSON.stringify(prepared.options)]),
    }),
    theirs: trainSide({ ...common, name: peer.name, tolerance: 1e-3, start: inPython("float32") }),
    beside: trainSide({ ...common, name: `${peer.name}, bfloat16`, tolerance: 0.1, start: inPython("bfloat16") }),
  };
}
