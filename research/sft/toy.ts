import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { load, type TrainInput, train } from "../../src/index.ts";
import { readMetrics } from "../../src/train/session/metrics.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { type FactsTask, factsTask, type Pair, writePairs } from "./facts.ts";

export const SEEDS = [0, 1, 2];
export const RATES = [3e-5, 1e-4, 3e-4, 1e-3];
export const BATCHES = [8, 64, 512];
const SAMPLES = 16_384;

/** One fine-tuning of the toy, or its base before any. */
export interface ToyRun {
  readonly seed: number;
  /** `grid`, `cosine`, `warm-up`, `phased`, or `base`. */
  readonly kind: string;
  readonly lr: number;
  readonly batch: number;
  readonly steps: number;
  readonly samples: number;
  /** Loss and gradient norm of each of the first tenth of its steps. */
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  /** Shares of right answers. */
  readonly facts: number;
  readonly skill: number;
  readonly trained: number;
  readonly heldOut: number;
  readonly minutes: number;
}

interface Planned extends Pick<ToyRun, "seed" | "kind" | "lr" | "batch"> {
  readonly schedule: TrainInput["schedule"];
}

const constant = { name: "constant" } as const;

/** All fine-tunings of a seed. */
const plannedOf = (seed: number): Planned[] => [
  ...RATES.flatMap((lr) => BATCHES.map((batch) => ({ seed, kind: "grid", lr, batch, schedule: constant }))),
  { seed, kind: "cosine", lr: 3e-4, batch: 64, schedule: { name: "cosine", minimum: 0 } },
  { seed, kind: "warm-up", lr: 3e-4, batch: 64, schedule: { name: "constant", warmup: 5 } },
  { seed, kind: "phased", lr: 3e-4, batch: 512, schedule: constant },
];

const keyOf = ({ seed, kind, lr, batch }: Pick<ToyRun, "seed" | "kind" | "lr" | "batch">) =>
  `${seed} ${kind} ${lr} ${batch}`;

/** Runs what `file` does not hold yet, in folders within `work`, and keeps each result there at once. */
export async function runToy(work: string, file: string): Promise<void> {
  const done: ToyRun[] = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];
  const keep = async (run: ToyRun) => {
    done.push(run);
    await writeJson(file, done);
    const shown = [run.facts, run.skill, run.trained, run.heldOut].map((share) => share.toFixed(3)).join(" ");
    process.stderr.write(`${keyOf(run)}: facts, skill, trained, held-out ${shown}; ${run.minutes.toFixed(2)} min\n`);
  };
  const isDone = (run: Planned | ToyRun) => done.some((other) => keyOf(other) === keyOf(run));
  for (const seed of SEEDS) {
    const seeded = new Seeded(seed, path.join(work, `seed-${seed}`));
    const base = { seed, kind: "base", lr: 0, batch: 0, schedule: constant };
    if (!isDone(base)) await keep(await seeded.base(base));
    for (const planned of plannedOf(seed)) if (!isDone(planned)) await keep(await seeded.tuned(planned));
  }
}

/** The runs of one seed. */
class Seeded {
  readonly #task: FactsTask;
  readonly #base: string;

  constructor(
    private readonly seed: number,
    private readonly folder: string,
  ) {
    this.#task = factsTask(seed);
    this.#base = path.join(folder, "base");
  }

  /** Facts and skill, learnt until all are known. */
  async base(planned: Planned): Promise<ToyRun> {
    const { facts, paraphrased, skill } = this.#task;
    const data = writePairs(this.folder, "old", [...facts, ...paraphrased, ...skill]);
    const options: TrainInput = {
      architecture: {
        ...{ model_type: "llama", hidden_size: 64, num_hidden_layers: 3, intermediate_size: 128 },
        ...{ num_attention_heads: 4, num_key_value_heads: 4, max_position_embeddings: 16, rms_norm_eps: 1e-5 },
      },
      ...{ data, validation: 0, tokens: 6, batch: 136, steps: 1500, seed: this.seed, saveEvery: 10_000 },
      ...{ optimizer: { lr: 3e-3, weightDecay: 0 }, schedule: { name: "cosine", warmup: 20 } },
    };
    return this.#scored(planned, [await this.#train(options, this.#base)]);
  }

  async tuned(planned: Planned): Promise<ToyRun> {
    const { tuning } = this.#task;
    // Wrong answers come first in the list; both halves get the same number.
    const halves = [0, 1].map((half) => tuning.filter((_, i) => i % 2 === half));
    const phases = planned.kind === "phased" ? halves : [tuning];
    const folders: string[] = [];
    for (const [i, pairs] of phases.entries()) {
      const out = path.join(this.folder, `phase-${i}`);
      // Copies, so that an epoch has five whole batches of 512.
      const data = writePairs(
        this.folder,
        `new-${i}`,
        Array(2560 / pairs.length)
          .fill(pairs)
          .flat(),
      );
      const options: TrainInput = {
        ...{ model: folders.at(-1) ?? this.#base, data, validation: 0, tokens: 6, batch: planned.batch },
        ...{ steps: SAMPLES / planned.batch / phases.length, seed: this.seed, saveEvery: 10_000 },
        ...{ optimizer: { lr: planned.lr, weightDecay: 0 }, schedule: planned.schedule },
      };
      folders.push(await this.#train(options, out));
    }
    const run = await this.#scored(planned, folders);
    for (const out of folders) rmSync(out, { recursive: true });
    return run;
  }

  async #train(options: TrainInput, out: string): Promise<string> {
    await train(options, { out, reuse: "force" });
    return out;
  }

  async #scored({ seed, kind, lr, batch }: Planned, folders: readonly string[]): Promise<ToyRun> {
    const steps = folders.flatMap(readMetrics);
    const { facts, skill, trained, heldOut } = this.#task;
    const early = steps.slice(0, Math.ceil(steps.length / 10));
    const [first, ...others] = await sharesRight(folders.at(-1)!, [facts, skill, trained, heldOut]);
    return {
      ...{ seed, kind, lr, batch, steps: steps.length, samples: steps.length * batch },
      ...{ losses: early.map(({ loss }) => rounded(loss)), norms: early.map(({ norm }) => rounded(norm)) },
      ...{ facts: first!, skill: others[0]!, trained: others[1]!, heldOut: others[2]! },
      minutes: steps.reduce((sum, { ms }) => sum + ms, 0) / 60_000,
    };
  }
}

const rounded = (value: number): number => Number(value.toPrecision(5));

/** The share of each list's questions that a model answers right, greedily. */
async function sharesRight(folder: string, lists: readonly (readonly Pair[])[]): Promise<number[]> {
  using model = await load(folder, { quant: "f32" });
  const shares: number[] = [];
  for (const pairs of lists) {
    const prompts = pairs.map(({ prompt }) => ({ prompt, raw: true, maxTokens: 4, temperature: 0 }));
    const answers = await model.completeAll(prompts);
    shares.push(answers.filter(({ text }, i) => text === pairs[i]!.completion).length / pairs.length);
  }
  return shares;
}
