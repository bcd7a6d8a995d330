/**
 * Measures exits of the small model, token by token on texts that it has not seen: `npx tsx research/exits/small/measure.ts [MODEL] [OUT]`.
 * By default of the shipped model, to research/exits/dynamax-small.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../../../src/index.ts";
import { auc, positiveRate } from "../../../src/train/methods/exit-heads/classifier-metrics.ts";
import type { TrainedClassifier } from "../../../src/train/methods/exit-heads/deciders/classifier.ts";
import { type Guesses, relaxedLabels } from "../../../src/train/methods/exit-heads/labels.ts";
import { openFrozen } from "../../../src/train/methods/exit-heads/model-head.ts";
import { modelRight, positionsOf } from "../../../src/train/methods/exit-heads/training-states.ts";
import { root } from "../../../tools/section.ts";
import {
  atDepth,
  atThreshold,
  consistency,
  difference,
  type Exits,
  fixedAtDepth,
  type Outcome,
  oracle,
  randomAtDepth,
} from "./curves.ts";
import { fitClassifiers, guessesOf, positionsWhere, type Scores, untrainedScores } from "./rules.ts";
import { BLOCK, type SmallStates, statesOf } from "./states.ts";
import { KINDS } from "./texts.ts";

const [
  folder = join(root, "packages/models/exits-small"),
  out = join(root, "research/exits/dynamax-small/results.json"),
] = process.argv.slice(2);
const SEEDS = [1, 2, 3];
const CLASSIFIERS = ["linear", "ffn", "mamba"] as const;
/** The exit probability at which tokens leave, where the threshold is fixed. */
const THRESHOLD = 0.9;

/** The numbers of the model's likeliest tokens that a label accepts. */
const RELAXED = [1, 3, 5, 10];

const log = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
using model = await load(folder);
const { language } = model;
const frozen = await openFrozen(language!.source.path, "auto");
const depth = language!.decoder.config.layers;

/** Texts with what the model's head chooses after each layer. */
async function measured(only?: (typeof KINDS)[number]) {
  const states = await statesOf(language!, only);
  log(`states of ${only ?? "all kinds"}`);
  return { states, guesses: await guessesOf(frozen, states) };
}
type Measured = Awaited<ReturnType<typeof measured>>;

/** The exits at some positions of the test part. */
function exitsAt({ states, guesses }: Measured, positions: Int32Array): Exits {
  const [from] = positionsOf(states.corpus, states.corpus.ranges.test);
  return {
    layers: states.cache.layers,
    depth,
    agree: guesses.map(({ places }) => Uint8Array.from(positions, (at) => Number(places[from + at] === 0))),
    rows: positions.map((at) => Math.floor(at / BLOCK)),
  };
}

/** At all positions of the test part. */
const aucs = (trained: readonly TrainedClassifier[]) => trained.map(({ measured: { auc } }) => auc);

const pick = (scores: Scores, positions: Int32Array): Scores =>
  scores.map((all) => Float32Array.from(positions, (at) => all[at]!));

const kindOf = ({ texts }: SmallStates, position: number) => texts[Math.floor(position / BLOCK)]!.kind;
const share = (hits: ArrayLike<number>) => positiveRate(hits);

/** The head's right answers and agreements by layer, the whole model's last, and the oracle's depth. */
function byLayer(of: Measured, positions: Int32Array) {
  const { states, guesses } = of;
  const [from] = positionsOf(states.corpus, states.corpus.ranges.test);
  const exits = exitsAt(of, positions);
  const whole = modelRight(states);
  return {
    positions: positions.length,
    right: [
      ...guesses.map(({ right }) => share(Uint8Array.from(positions, (at) => right[from + at]!))),
      share(Uint8Array.from(positions, (at) => whole[from + at]!)),
    ],
    agree: [...exits.agree.map(share), 1],
    oracleDepth: oracle(exits).depth,
  };
}

const depths = Array.from({ length: depth - 2 }, (_, i) => i + 2);

/** A rule at each mean depth, against chance, a fixed layer and another rule. */
function ruleAt(exits: Exits, scores: Scores, other: Scores | undefined, seed: number) {
  return depths.map((wanted) => {
    const own = atDepth(exits, scores, wanted);
    const against = (outcome: Outcome | undefined) =>
      own && outcome ? difference(exits, own, outcome, seed) : undefined;
    return {
      depth: wanted,
      consistency: own && consistency(own),
      overRandom: against(randomAtDepth(exits, wanted)),
      overFixed: against(fixedAtDepth(exits, wanted)),
      overOther: other && against(atDepth(exits, other, wanted)),
    };
  });
}

/** All rules at the same mean depths. Trained ones are compared with the saturation of the stream. */
async function rules(of: Measured, positions: Int32Array) {
  const exits = exitsAt(of, positions);
  const untrained = await untrainedScores(frozen, of.states);
  log("confidences");
  const other = pick(untrained.saturation, positions);
  const results: { rule: string; seed: number; auc?: number[]; at: ReturnType<typeof ruleAt> }[] = Object.entries(
    untrained,
  ).map(([rule, scores]) => ({ rule, seed: 0, at: ruleAt(exits, pick(scores, positions), undefined, 1) }));
  for (const kind of CLASSIFIERS)
    for (const seed of SEEDS) {
      const trained = await fitClassifiers(of.states, of.guesses, { kind, seed });
      log(`${kind}, seed ${seed}`);
      const scores = pick(
        trained.map(({ test }) => test),
        positions,
      );
      results.push({ rule: kind, seed, auc: aucs(trained), at: ruleAt(exits, scores, other, seed) });
    }
  const controls = depths.map((wanted) => ({
    depth: wanted,
    random: consistency(randomAtDepth(exits, wanted)),
    fixed: consistency(fixedAtDepth(exits, wanted)),
  }));
  return { oracle: oracle(exits).depth, controls, results };
}

/** How well classifiers trained on shuffled labels predict. */
async function shuffled(of: Measured) {
  const results = [];
  for (const kind of CLASSIFIERS) {
    const trained = await fitClassifiers(of.states, of.guesses, { kind, labels: "shuffled", seed: 1 });
    results.push({ kind, seed: 1, auc: aucs(trained) });
  }
  log("shuffled labels");
  return results;
}

/** Labels that accept the model's k likeliest tokens, at one threshold. */
async function relaxed(of: Measured, positions: Int32Array) {
  const exits = exitsAt(of, positions);
  const results = [];
  for (const topK of RELAXED)
    for (const seed of SEEDS) {
      const trained = await fitClassifiers(of.states, of.guesses, { kind: "linear", topK, seed });
      const outcome = atThreshold(
        exits,
        pick(
          trained.map(({ test }) => test),
          positions,
        ),
        THRESHOLD,
      );
      const rates = of.guesses.map((each: Guesses) => share(relaxedLabels(each, topK)));
      results.push({ topK, seed, rates, depth: outcome.depth, consistency: consistency(outcome) });
    }
  log("relaxed labels");
  return results;
}

/** Classifiers on texts whose difficulty follows from their beginning, or from nothing before. */
async function history(only: "cued" | "signed") {
  const of = await measured(only);
  const positions = positionsWhere(of.states, (at) => of.states.asked[at] === 1);
  const exits = exitsAt(of, positions);
  const results = [];
  for (const seed of SEEDS) {
    const scores = new Map<string, Scores>();
    for (const kind of ["linear", "mamba"] as const) {
      const trained = await fitClassifiers(of.states, of.guesses, { kind, seed });
      scores.set(
        kind,
        pick(
          trained.map(({ test }) => test),
          positions,
        ),
      );
    }
    const linear = scores.get("linear")!;
    for (const [kind, own] of scores)
      results.push({
        ...{ kind, seed, auc: own.map((each, exit) => auc(each, exits.agree[exit]!)) },
        at: ruleAt(exits, own, kind === "linear" ? undefined : linear, seed),
      });
    log(`${only}, seed ${seed}`);
  }
  return { ...byLayer(of, positions), results };
}

const all = await measured();
const answerPositions = positionsWhere(all.states, (at) => all.states.asked[at] === 1);
const [from] = positionsOf(all.states.corpus, all.states.corpus.ranges.test);
const kinds = KINDS.map((kind) => {
  const own = answerPositions.filter((at) => kindOf(all.states, from + at) === kind);
  return { kind, ...byLayer(all, own) };
});
const results = {
  layers: depth,
  every: byLayer(
    all,
    positionsWhere(all.states, () => true),
  ),
  asked: byLayer(all, answerPositions),
  kinds,
  rules: await rules(all, answerPositions),
  shuffled: await shuffled(all),
  threshold: THRESHOLD,
  relaxed: await relaxed(all, answerPositions),
  history: { cued: await history("cued"), signed: await history("signed") },
};
writeFileSync(
  out,
  `${JSON.stringify(results, (_, value) => (typeof value === "number" ? +value.toFixed(5) : value))}\n`,
);
