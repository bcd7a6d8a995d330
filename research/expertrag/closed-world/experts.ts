/**
 * Compares decoders with experts and without on trained closed worlds, and writes `research/expertrag/experts`:
 * `npx tsx research/expertrag/closed-world/experts.ts ARM=OUT…`, each OUT the folder of a world whose model is of that arm.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../../../src/index.ts";
import { evaluateGate } from "../../../src/lab/lookup/gate-quality.ts";
import { bootstrap, type Interval } from "../../../src/lab/metrics/bootstrap.ts";
import { figure, flopsText, percent, range, signed } from "../../../src/lab/report/format.ts";
import type { GateSample } from "../../../src/pipelines/answer/gate/calibrate.ts";
import { costsOf, gatedCost } from "../../../src/pipelines/answer/gate/cost.ts";
import { gateScore } from "../../../src/pipelines/answer/gate/gate.ts";
import { signalFlops } from "../../../src/pipelines/answer/gate/signals.ts";
import { mean } from "../../../src/util/mean.ts";
import { markdownTable, root, writeSection } from "../../../tools/section.ts";
import type { GatedRun, Row } from "./answers.ts";
import { type Arm, arms, isArm } from "./arms.ts";
import type { Routing } from "./routing.ts";
import { isTest, plainPrompt } from "./world.ts";

const FOLDER = "research/expertrag/experts";

const linesOf = <T>(file: string): T[] =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);

const judged = ({ input, plain, retrieved }: Row): GateSample => ({
  score: gateScore({ method: "margin" }, input),
  plain: Number(plain.right),
  retrieved: Number(retrieved.right),
});

/**
 * FLOPs of a plain question's prompt and first token by formula: twice the active parameters a token, and attention's
 * products. After the last layer's attention, the engine runs only the last token.
 */
function predictedPlain(arm: Arm, tokens: number, vocabulary: number): number {
  const { architecture } = arms[arm];
  const { hidden_size: d, num_hidden_layers: layers, intermediate_size: width } = architecture;
  const [count, active] =
    "num_local_experts" in architecture ? [architecture.num_local_experts, architecture.num_experts_per_tok] : [0, 1];
  const behind = d * d + 3 * d * width * active + d * count;
  const perToken = layers * (3 * d * d + behind);
  return 2 * perToken * tokens - 2 * behind * (tokens - 1) + 2 * layers * d * tokens ** 2 + 2 * d * vocabulary;
}

/** The number of questions whose whole prompts are counted, each on a model with an empty cache. */
const COUNTED = 8;

/** FLOPs of whole prompts with their first token, in the mean: by formula, and by the receipts. */
async function promptCosts(arm: Arm, out: string, rows: readonly Row[], vocabulary: number) {
  const found: { byFormula: number; prompt: number }[] = [];
  for (const { question } of rows.filter((_, i) => i % Math.floor(rows.length / COUNTED) === 0)) {
    using model = await load(join(out, "model"));
    const { receipt } = await model.complete(plainPrompt(question), { raw: true, temperature: 0, maxTokens: 1 });
    found.push({ byFormula: predictedPlain(arm, receipt.tokens.prompt, vocabulary), prompt: receipt.flops.spent });
  }
  return { byFormula: mean(found.map((one) => one.byFormula)), prompt: mean(found.map(({ prompt }) => prompt)) };
}

/** An arm on its world. */
async function armOf(word: string) {
  const [arm = "", out = ""] = word.split("=");
  if (!isArm(arm)) throw new Error(`expected ARM=OUT, got ${word}`);
  const all = linesOf<Row>(join(out, "answers.jsonl"));
  const [calibration, test] = [all.filter(({ entity }) => !isTest(entity)), all.filter(({ entity }) => isTest(entity))];
  const gate = evaluateGate("margin", calibration.map(judged), test.map(judged));
  const [run] = linesOf<GatedRun>(join(out, "gated.json")) as [GatedRun];
  const own = signalFlops(run.vocabulary);
  const flops = all.map(({ plain, retrieved }) => ({ plain: plain.flops, retrieved: retrieved.flops }));
  const costs = costsOf(flops, own, mean(all.map(({ probe }) => probe.flops)));
  const rate = run.retrieved / run.questions;
  const known = test.filter((row) => row.known);
  const routing = join(out, "routing.json");
  return {
    arm,
    never: mean(test.map(({ plain }) => Number(plain.right))),
    always: mean(test.map(({ retrieved }) => Number(retrieved.right))),
    known: mean(known.map(({ plain }) => Number(plain.right))),
    rightKnown: known.map(({ plain }) => Number(plain.right)),
    gate: { rate: gate.by_accuracy.rate, accuracy: gate.by_accuracy.accuracy, least: gate.least_rate },
    auroc: gate.auroc,
    above: { mean: gate.above_random.mean, ci95: gate.above_random.ci95, shuffled: gate.above_random_shuffled },
    flops: { plain: costs.plain, always: costs.plain + costs.extra, at: gatedCost(costs, gate.by_accuracy.rate) },
    ledger: {
      predicted: gatedCost(costs, rate),
      measured: run.flops / run.questions + own,
      ...(await promptCosts(arm, out, all, run.vocabulary)),
    },
    routing: existsSync(routing) ? (JSON.parse(readFileSync(routing, "utf8")) as Routing[]) : [],
  };
}

/** The gain in right plain answers about known people over the dense decoder, paired by question. */
function overDense(right: readonly number[], dense: readonly number[]): { delta: number; ci95: Interval } {
  const { quality, ci95 } = bootstrap(
    right.map((one, i) => [one - dense[i]!]),
    (parts) => mean(parts.map(([delta]) => delta!)),
    { seed: 0 },
  );
  return { delta: quality, ci95 };
}

const found: Awaited<ReturnType<typeof armOf>>[] = [];
for (const word of process.argv.slice(2)) found.push(await armOf(word));
const dense = found.find(({ arm }) => arm === "dense");
const results = found.map(({ rightKnown, ...rest }) => ({
  ...rest,
  ...(dense && rest.arm !== "dense" && { overDense: overDense(rightKnown, dense.rightKnown) }),
}));

const quality = markdownTable(
  ["decoder", "never", "always", "known, never", "less dense's", "margin's AUROC", "above random", "shuffled"],
  results.map(({ arm, never, always, known, overDense, auroc, above }) => [
    `\`${arm}\``,
    ...[never, always, known].map((share) => figure(share)),
    overDense ? `${signed(overDense.delta)} ${range(overDense.ci95, signed)}` : "",
    `${figure(auroc.mean)} ${range(auroc.ci95)}`,
    `${figure(above.mean)} ${range(above.ci95)}`,
    figure(above.shuffled),
  ]),
);
const costs = markdownTable(
  ["decoder", "rate for always' accuracy", "accuracy there", "least", "never", "always", "gated"],
  results.map(({ arm, gate, flops }) => [
    `\`${arm}\``,
    ...[percent(gate.rate), figure(gate.accuracy), percent(gate.least)],
    ...[flops.plain, flops.always, flops.at].map(flopsText),
  ]),
);
const off = (predicted: number, measured: number) => percent(measured / predicted - 1);
const ledger = markdownTable(
  ["decoder", "a prompt by formula", "by the ledger", "off by", "gated by its parts", "counted", "off by"],
  results.map(({ arm, ledger: { predicted, measured, prompt, byFormula } }) => [
    `\`${arm}\``,
    ...[flopsText(byFormula), flopsText(prompt), off(byFormula, prompt)],
    ...[flopsText(predicted), flopsText(measured), off(predicted, measured)],
  ]),
);
const routers = markdownTable(
  ["decoder", "router", "bits of the branch in the first expert", "branches shuffled", "entropy of use, bits"],
  results.flatMap(({ arm, routing }) =>
    routing.map(({ router, information, shuffled, entropy }) => [
      `\`${arm}\``,
      router.replace(/, router.*/, ""),
      ...[information, shuffled, entropy].map((bits) => figure(bits)),
    ]),
  ),
);

const rounded = (_: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(6)) : value);
mkdirSync(join(root, FOLDER), { recursive: true });
writeFileSync(join(root, FOLDER, "arms.json"), `${JSON.stringify(results, rounded, 1)}\n`);
writeSection(`${FOLDER}/README.md`, "expertrag/closed-world/experts", [quality, costs, ledger, routers].join("\n\n"));
