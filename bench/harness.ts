import { z } from "zod";

/** One of the two programs compared. `start` makes it ready, `run` takes one measurement in the bench's unit, `stop` frees it. */
export interface Side {
  readonly name: string;
  start(): Promise<void>;
  run(): Promise<number>;
  stop(): Promise<void>;
}

export const benchOptions = z.object({
  model: z.string().default("smollm2").describe("the model's name, for the record"),
  path: z.string().describe("its GGUF file"),
  rounds: z.number().int().min(5).default(7).describe("measured rounds, each ours then theirs"),
});
export type BenchOptions = z.infer<typeof benchOptions>;

export interface Bench {
  readonly name: string;
  readonly unit: string;
  /** True if a larger measurement is better: for rates, not for times and bytes. */
  readonly moreIsBetter: boolean;
  /** `kept`: both sides are started once and warmed by one unmeasured round; `fresh`: they are started and stopped each round. */
  readonly lifetime: "kept" | "fresh";
  sides(options: BenchOptions): { ours: Side; theirs: Side };
  /** The best measurement the machine itself allows, in the bench's unit. */
  floor?(options: BenchOptions): Promise<number>;
}

export interface Round {
  ours: number;
  theirs: number;
  /** Above 1 is good for us, in any unit. */
  ratio: number;
}

export interface Outcome {
  bench: Bench;
  model: string;
  peer: string;
  rounds: Round[];
  floor?: number;
}

/** Measures ours, theirs, ours, … so that a slow minute of the machine falls on both. Always stops both sides. */
export async function measure(bench: Bench, options: BenchOptions): Promise<Outcome> {
  const { ours, theirs } = bench.sides(options);
  const floor = await bench.floor?.(options);
  const rounds = await (bench.lifetime === "kept" ? keptRounds : freshRounds)(ours, theirs, options.rounds);
  return {
    bench,
    model: options.model,
    peer: theirs.name,
    rounds: rounds.map(([o, t]) => ({ ours: o, theirs: t, ratio: bench.moreIsBetter ? o / t : t / o })),
    ...(floor !== undefined && { floor }),
  };
}

type Pair = [ours: number, theirs: number];

async function keptRounds(ours: Side, theirs: Side, count: number): Promise<Pair[]> {
  try {
    for (const side of [ours, theirs]) {
      await side.start();
      await side.run();
    }
    const rounds: Pair[] = [];
    while (rounds.length < count) rounds.push([await ours.run(), await theirs.run()]);
    return rounds;
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
}

async function freshRounds(ours: Side, theirs: Side, count: number): Promise<Pair[]> {
  // The first round fills the file cache.
  await freshRun(ours);
  await freshRun(theirs);
  const rounds: Pair[] = [];
  while (rounds.length < count) rounds.push([await freshRun(ours), await freshRun(theirs)]);
  return rounds;
}

async function freshRun(side: Side): Promise<number> {
  try {
    await side.start();
    return await side.run();
  } finally {
    await side.stop();
  }
}
