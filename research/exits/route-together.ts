/**
 * Measures a route whose Swift exits early and whose Super prefills sparsely, beside each of the two alone, on one
 * task: `npx tsx research/exits/route-together.ts OUT [ITEMS]`. Dense is Super alone. Writes a run as the lab does.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { load, type Model, type Receipt } from "../../src/index.ts";
import { stringify } from "../../src/lab/reals.ts";
import { frontierSvg } from "../../src/lab/report/plot/frontier-svg.ts";
import type { Result, Summary } from "../../src/lab/results.ts";
import { machine, versions } from "../../src/lab/run/machine.ts";
import { summarise } from "../../src/lab/run/summarise.ts";
import { OpenedPipeline } from "../../src/library/text-pipeline.ts";
import { textPipelineNamed } from "../../src/pipelines/registry.ts";
import { modelHash } from "../../src/weights/sources/index.ts";
import { type ItemOf, taskOf } from "../common/tasks.ts";

const [out = "", wanted = "10"] = process.argv.slice(2);
const TASK = "needle:tokens=1536";
const [SWIFT, SUPER] = ["smollm2", "qwen2.5-coder"];
const EARLY = "dynamax:classifier=ffn,threshold=0.8,fill=copy-hidden";
const SPARSE = "xattention:threshold=0.9,stride=16,minLengthForSparse=0";
/** Prompts whose first token leads by less go to Super. */
const ROUTE = "score=margin,t=0.97";

type GenerationItem = ItemOf<"generation">;

interface Arm {
  readonly name: string;
  answer(item: GenerationItem): Promise<{ readonly text: string; readonly receipt: Receipt }>;
}

const terms = ({ stop, maxTokens }: GenerationItem) => ({ maxTokens, stop: [...stop], temperature: 0 });
const alone = (name: string, model: Model): Arm => ({
  name,
  answer(item) {
    model.language.engine.forget();
    return model.complete(item.prompt, terms(item));
  },
});

async function routed(name: string, swift: Model, strong: Model): Promise<Arm> {
  const named = textPipelineNamed(`${SWIFT}>${SUPER}@${ROUTE}`)!;
  const pipeline = await OpenedPipeline.over(named, { swift, super: strong });
  return {
    name,
    answer(item) {
      for (const model of [swift, strong]) model.language.engine.forget();
      return pipeline.complete(item.prompt, terms(item));
    },
  };
}

using swift = await load(SWIFT);
using early = await load(SWIFT, { save: [EARLY] });
using strong = await load(SUPER);
using sparse = await load(SUPER, { save: [SPARSE] });

const arms = [
  alone("dense", strong),
  alone(SPARSE, sparse),
  alone(`${SWIFT} alone`, swift),
  alone(`${SWIFT} with ${EARLY}`, early),
  await routed(`${SWIFT}>${SUPER}@${ROUTE}`, swift, strong),
  await routed(`${SWIFT} with ${EARLY} > ${SUPER} with ${SPARSE} @${ROUTE}`, early, sparse),
];
const task = await taskOf("generation", TASK);
const { tokenizer } = strong.language;
const countTokens = (text: string) => tokenizer.encode(text).length;
const byRecipe = new Map(arms.map(({ name }) => [name, [] as Result[]]));
for await (const item of task.items({ seed: 0, limit: Number(wanted), countTokens, tokenizer })) {
  for (const arm of arms) byRecipe.get(arm.name)!.push(await judged(arm, item));
  process.stderr.write(`${byRecipe.get("dense")!.length} of ${wanted} items\n`);
}

/** An arm's answer to an item; dense's FLOPs are those of Super alone. */
async function judged({ name, answer }: Arm, item: GenerationItem): Promise<Result> {
  const started = performance.now();
  const { text, receipt } = await answer(item);
  const dense = byRecipe.get("dense")!.find((result) => result.item === item.id)?.flops.dense ?? receipt.flops.dense;
  const { spent, overhead } = receipt.flops;
  return {
    ...{ item: item.id, recipe: name, answer: { text } },
    parts: Object.fromEntries(task.metrics.map((metric) => [metric.name, [...metric.part(item, { text }, { text })]])),
    flops: { dense, spent, overhead },
    ms: performance.now() - started,
  };
}

const summary: Summary = {
  ...{ task: TASK, metric: task.metrics[0]!, model: `${SWIFT}>${SUPER}` },
  ...{ model_hash: await modelHash(strong.loaded.source), seed: 0, items: byRecipe.get("dense")!.length, too_long: 0 },
  recipes: summarise(task, 0, byRecipe),
  ...{ command: `npx tsx research/exits/route-together.ts DIR ${wanted}`, machine: machine(), versions: versions() },
  created: new Date().toISOString(),
};
mkdirSync(out, { recursive: true });
const lines = [...byRecipe.values()].flat().map((result) => `${JSON.stringify(result)}\n`);
writeFileSync(join(out, "results.jsonl"), lines.join(""));
const { name, better } = task.metrics[0]!;
const written = { ...summary, metric: { name, better } };
writeFileSync(join(out, "summary.json"), `${stringify(written)}\n`);
writeFileSync(join(out, "frontier.svg"), frontierSvg(written));
