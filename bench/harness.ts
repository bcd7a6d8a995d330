import { z } from "zod";

/** One of the two compared programs. `start` prepares it, `run` takes one measurement in the bench's unit, `stop` frees it. */
export interface Side {
  readonly name: string;
  start(): Promise<void>;
  run(): Promise<number>;
  stop(): Promise<void>;
}

export const benchOptions = z.object({
  model: z.string().default("smollm2").describe("the model's name; our side runs the form that timing chose for it"),
  path: z.string().describe("its GGUF file, for peers and for our default form"),
  sha256: z.string().exactOptional().describe("SHA-256 of its weights, as `resolveModel` returns it"),
  rounds: z.number().int().min(5).default(7).describe("measured rounds; each runs ours, then theirs"),
  save: z.array(z.string()).default([]).describe("the savings that are compared with dense"),
});
export type BenchOptions = z.infer<typeof benchOptions>;

export interface Sides {
  readonly ours: Side;
  readonly theirs: Side;
  /** A third side, measured in the same rounds for information, outside the ratio. */
  readonly beside?: Side;
}

export interface Bench {
  readonly name: string;
  /** The model's name, in benches that do not run the model in the options. */
  readonly model?: string;
  readonly unit: string;
  /** True if our sides open the file by path. Without a known hash, they run its default form. */
  readonly defaultForm?: true;
  /** True if larger is better: for rates, not for times and bytes. */
  readonly moreIsBetter: boolean;
  /** True if the bench compares the savings in the options with dense. */
  readonly saves?: true;
  /** `kept`: both sides are started once and warmed by one unmeasured round; `fresh`: they are started and stopped each round. */
  readonly lifetime: "kept" | "fresh";
  /** The number of rounds in a bench whose runs take minutes; replaces the option, and skips the warm-up. */
  readonly rounds?: number;
  sides(options: BenchOptions): Sides | Promise<Sides>;
  /** The best measurement the machine itself allows, in the bench's unit. */
  floor?(options: BenchOptions): Promise<number>;
}

/** Many comparisons under one name. It prints each as soon as it is known; its result is the last line. */
export interface Survey {
  readonly name: string;
  readonly saves?: never;
  survey(options: BenchOptions, print: (text: string) => void): Promise<object>;
}

export interface Round {
  ours: number;
  theirs: number;
  /** The ratio of the sides, above 1 if ours is better, in any unit. */
  ratio: number;
  beside?: number;
}

export interface Outcome {
  bench: Bench;
  model: string;
  peer: string;
  /** The savings compared with dense, in benches that take them as an option. */
  save?: readonly string[];
  beside?: string;
  rounds: Round[];
  floor?: number;
}

/** Measures ours, theirs, ours, … so that a slow phase of the machine affects both. Always stops all sides. */
export async function measure(bench: Bench, options: BenchOptions): Promise<Outcome> {
  const { ours, theirs, beside } = await bench.sides(options);
  const floor = await bench.floor?.(options);
  const sides = [ours, theirs, ...(beside ? [beside] : [])];
  const rounds = await measureRounds(bench, sides, options.rounds);
  return {
    bench,
    model: bench.model ?? options.model,
    peer: theirs.name,
    ...(bench.saves && { save: options.save }),
    ...(beside && { beside: beside.name }),
    rounds: rounds.map((values) => roundOf(bench, values)),
    ...(floor !== undefined && { floor }),
  };
}

function roundOf({ moreIsBetter }: Bench, values: readonly number[]): Round {
  const [ours, theirs, beside] = values as [number, number, number?];
  const ratio = moreIsBetter ? ours / theirs : theirs / ours;
  return { ours, theirs, ratio, ...(beside !== undefined && { beside }) };
}

/** The measurements of each side in each round. */
type Rounds = number[][];

function measureRounds({ lifetime, rounds }: Bench, sides: readonly Side[], count: number): Promise<Rounds> {
  if (rounds !== undefined) return turns(sides, rounds, freshRun);
  return lifetime === "kept" ? keptRounds(sides, count) : freshRounds(sides, count);
}

async function keptRounds(sides: readonly Side[], count: number): Promise<Rounds> {
  try {
    for (const side of sides) {
      await side.start();
      await side.run();
    }
    return await turns(sides, count, (side) => side.run());
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}

async function freshRounds(sides: readonly Side[], count: number): Promise<Rounds> {
  // The first round fills the file cache.
  const [, ...rounds] = await turns(sides, count + 1, freshRun);
  return rounds;
}

async function turns(sides: readonly Side[], count: number, run: (side: Side) => Promise<number>): Promise<Rounds> {
  const rounds: Rounds = [];
  while (rounds.length < count) {
    const round: number[] = [];
    for (const side of sides) round.push(await run(side));
    rounds.push(round);
  }
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
