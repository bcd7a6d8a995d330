/**
 * The time of SmolLM2 without pruned neurons: npx tsx research/sparse/neuron-times.ts MODEL WORK
 * MODEL and WORK are as in neurons.ts, after its arm "magnitude, untrained". Writes research/sparse/results/neuron-times.json.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { load } from "../../src/index.ts";
import { folderOf, neuronTimes, TIMES } from "./neuron-runs.ts";
import { PROMPT_TOKENS, timed } from "./timed.ts";

const ROUNDS = 9;
const [model, work] = process.argv.slice(2);
if (model === undefined || work === undefined) throw new Error("expected MODEL and WORK");

const dense = await load(model, { threads: 1 });
const cut = await load(folderOf(work, "magnitude, untrained"), { threads: 1 });
/** Prompts use word tokens, and the two end tokens are excluded. */
const terms = { from: 1000, logitBias: { 0: -100, 2: -100 } };
const rounds = [];
for (let round = 0; round <= ROUNDS; round++) {
  const both = { dense: await timed(dense, terms), cut: await timed(cut, terms) };
  if (round > 0) rounds.push(both);
}
const machine = `${cpus()[0]!.model.trim()}, 1 thread`;
writeFileSync(
  TIMES,
  `${JSON.stringify(neuronTimes.parse({ machine, promptTokens: PROMPT_TOKENS, rounds }), null, 2)}\n`,
);
for (const each of [dense, cut]) each.dispose();
