import type { Engine } from "../../../engine/decode/run/engine.ts";
import { isTrainedHead } from "../../../savings/depth/exits/heads.ts";
import type { Estimate } from "../../session/estimate.ts";
import type { OpenTerms, Stage } from "../../session/stage.ts";
import type { Corpus } from "./corpus.ts";
import { deciderStages, deciderSteps } from "./deciders/train-decider.ts";
import { type ExitPlan, type ExitTraining, planExits, stepsOf, trainsHead } from "./exit-plan.ts";
import { headStages, headSteps } from "./head-training.ts";
import type { Guesses } from "./labels.ts";
import { openFrozen } from "./model-head.ts";
import { keptRows, StateCache } from "./states/cache.ts";
import { collectStates } from "./states/collect.ts";
import { type TrainingStates, trainingStates } from "./training-states.ts";

/** The number of rows in a trial: the first compiles programs, the second is timed. */
const ROWS = 2;

/** Work measured once in a trial, and the number of times that the run repeats it. */
interface TrialCost {
  readonly times: number;
  readonly flops: number;
  readonly ms: number;
  readonly tokens: number;
}

/** Stages of equal cost. */
interface Alike {
  /** The total number of steps in these stages. */
  readonly steps: number;
  /** The outputs that the run reads in all these stages, divided by the outputs that the trial reads in one stage. */
  readonly readings: number;
  open(states: TrainingStates): AsyncGenerator<Stage, unknown, void>;
}

/**
 * Estimates what training exits costs, from two rows of the texts, whose states are written to the run's folder. FLOPs
 * and time include computing the missing states, and the outputs of heads and deciders.
 */
export async function estimateExits(
  training: ExitTraining,
  run: Pick<OpenTerms, "out" | "resumes">,
): Promise<Estimate> {
  const plan = await planExits(training);
  const { corpus, layers } = plan;
  const { engine, decoder } = training.model;
  const { hidden } = decoder.config;
  using cache = new StateCache(corpus.block, hidden, layers, run.out);
  const few = firstRows(corpus);
  const row = await tryRow(engine, few, cache);
  const states = trainingStates(few, cache);
  const missing = corpus.blocks.length - Math.min(corpus.blocks.length, keptRows(plan.states, hidden, layers));
  const parts: TrialCost[] = [{ ...row, times: missing }];
  for (const stages of [...headsOf(training, plan, run), ...decidersOf(plan)])
    parts.push(...(await tryStages(stages, states, row.ms / row.flops)));
  const sum = (of: (part: TrialCost) => number) => parts.reduce((all, part) => all + part.times * of(part), 0);
  return {
    ...{ steps: stepsOf(plan, run), tokens: sum(({ tokens }) => tokens), flops: sum(({ flops }) => flops) },
    ...{ bytes: process.memoryUsage.rss(), hours: sum(({ ms }) => ms) / 3.6e6 },
  };
}

/** The first rows of a corpus, which serve as each of its parts. */
function firstRows({ blocks, ...corpus }: Corpus): Corpus {
  const all = [0, ROWS] as const;
  return { ...corpus, blocks: blocks.slice(0, ROWS), ranges: { training: all, calibration: all, test: all } };
}

async function tryRow(engine: Engine, corpus: Corpus, cache: StateCache): Promise<Omit<TrialCost, "times">> {
  await collectStates(engine, { ...corpus, blocks: corpus.blocks.slice(0, -1) }, cache, {});
  const started = performance.now();
  const flops = await collectStates(engine, corpus, cache, {});
  return { flops, ms: performance.now() - started, tokens: 0 };
}

function headsOf(
  { model, quant }: ExitTraining,
  plan: ExitPlan,
  run: Pick<OpenTerms, "out" | "resumes">,
): readonly Alike[] {
  const { options, layers, corpus, head } = plan;
  const { length: count } = layers.filter((layer) => trainsHead(plan, run, layer));
  if (count === 0) return [];
  async function* open(states: TrainingStates) {
    const frozen = await openFrozen(model.source.path, quant, head.tokens);
    return yield* headStages(frozen, states, layers[0]!, head, options);
  }
  const steps = isTrainedHead(head) ? count * headSteps(corpus, options) : 0;
  return [{ steps, readings: (count * corpus.blocks.length) / ROWS, open }];
}

function decidersOf({ options, layers, corpus }: ExitPlan): Alike[] {
  // The trial holds out two parts of ROWS rows each.
  const held = (corpus.blocks.length - corpus.ranges.training[1]) / (2 * ROWS);
  return options.decider!.map((kind) => ({
    readings: kind === "controller" ? held : layers.length * held,
    steps: deciderSteps(kind, corpus, layers.length, options),
    open: (states) =>
      deciderStages(kind, states, { layers, guesses: layers.map(() => noGuesses(states)) }, options, {}),
  }));
}

/** Placeholders: deciders take the same time, whatever they learn. */
const noGuesses = ({ truth }: TrainingStates): Guesses => ({
  places: new Uint8Array(truth.length),
  right: new Uint8Array(truth.length),
});

/** Measures one stage. `pace` is in milliseconds per FLOP. */
async function tryStages({ steps, readings, open }: Alike, states: TrainingStates, pace: number): Promise<TrialCost[]> {
  const read = (flops: number): TrialCost => ({ times: readings, flops, ms: flops * pace, tokens: 0 });
  for await (const stage of open(states)) {
    const counters = { updates: 0, skipped: 0 };
    await stage.step(0, counters);
    const first = stage.takeCost();
    const started = performance.now();
    const { tokens } = await stage.step(1, counters);
    const ms = performance.now() - started;
    const { forward, backward } = stage.takeCost();
    // The first step's cost includes computing the outputs of the trained weights.
    return [{ times: steps, flops: forward + backward, ms, tokens }, read(first.forward - forward)];
  }
  // A head without weights has no steps; only its guesses cost anything.
  const { flops } = states.unbilled;
  states.unbilled.flops = 0;
  return [read(flops)];
}
