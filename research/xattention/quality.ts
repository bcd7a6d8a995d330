/**
 * Measures the quality cost of block-sparse prefill on real weights (XAttention, arXiv 2503.16428): the negative
 * log-likelihood of a text's last tokens, read densely after a sparse prefill of the rest, and the recall of numbers
 * hidden in a long text.
 *
 *     npx tsx research/xattention/quality.ts TEXT [--seconds 600] [--tasks nll,needle,multi-key] [--lengths 2048,4096,8128]
 *         [--thresholds 0.8,0.9,0.95,0.99] [--strides 8,16] [--items 6] [--windows 1] [--model smollm2] [--out research/xattention/quality.json]
 *
 * Results are written as they come, the smallest first, until the time is spent; those already in the file are not run
 * again.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { type Counter, Meter } from "../../src/engine/bill/meter.ts";
import { Likelihoods, natsOf } from "../../src/engine/decode/score/likelihood.ts";
import { load, type Model } from "../../src/index.ts";
import { holds } from "../../src/lab/metrics/contains.ts";
import { needles } from "../../src/lab/tasks/needle.ts";

/** Last tokens of a text, read densely. */
const scored = 256;

interface Row {
  task: "nll" | "needle" | "multi-key";
  length: number;
  recipe: string;
  /** The number of kept blocks divided by all causal blocks, over all layers and heads. */
  density: number;
  /** Mean over the scored tokens, nats. */
  nll?: number;
  /** Which of the text's windows, from 0. */
  window?: number;
  items?: number;
  right?: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "600" },
    tasks: { type: "string", default: "nll,needle,multi-key" },
    lengths: { type: "string", default: "2048,4096,8128" },
    strides: { type: "string", default: "8,16" },
    items: { type: "string", default: "6" },
    windows: { type: "string", default: "1" },
    thresholds: { type: "string", default: "0.8,0.9,0.95,0.99" },
    model: { type: "string", default: "smollm2" },
    out: { type: "string", default: "research/xattention/quality.json" },
  },
});
if (positionals.length !== 1) throw new Error("expected the path of one text");
const text = readFileSync(positionals[0]!, "utf8");
const items = Number(values.items);
const end = performance.now() + 1000 * Number(values.seconds);
const rows: Row[] = existsSync(values.out)
  ? (JSON.parse(readFileSync(values.out, "utf8")) as { rows: Row[] }).rows
  : [];

const recipes = ["dense"];
for (const stride of values.strides.split(","))
  for (const threshold of values.thresholds.split(","))
    recipes.push(`xattention:threshold=${threshold},stride=${stride},minLengthForSparse=0`);

function record(row: Row): void {
  rows.push(row);
  console.log(JSON.stringify(row));
  mkdirSync(path.dirname(values.out), { recursive: true });
  const aside = `${values.out}.part`;
  const metadata = { model: values.model, text: path.basename(positionals[0]!), characters: text.length, scored };
  writeFileSync(aside, `${JSON.stringify({ ...metadata, rows }, null, 1)}\n`);
  renameSync(aside, values.out);
}

const density = (blocks: Counter | undefined) => (blocks ? blocks.run / blocks.dense : 1);

/** Prefills all but the last tokens under the model's recipe, and reads the last ones densely. */
async function likelihood(model: Model, recipe: string, ids: readonly number[]): Promise<Row> {
  const { engine, recipes } = model.language;
  using lease = await recipes.use(model.recipe);
  using likelihoods = await Likelihoods.create(engine, lease.plan);
  const meter = new Meter(engine.programs);
  const pair = { context: ids.slice(0, -scored), continuation: ids.slice(-scored) };
  const [found] = await likelihoods.ofPairs([pair], meter);
  const { blocks } = meter.total().work;
  return { task: "nll", length: ids.length, recipe, density: density(blocks), nll: -natsOf(found!) / scored };
}

async function retrieval(model: Model, recipe: string, length: number, keys: number): Promise<Row> {
  const countTokens = (s: string) => model.language.encode(s, true).length;
  const tasks = needles(items, { haystack: text, tokens: length - 16, keys, seed: 7, countTokens });
  let [right, kept] = [0, 0];
  for (const { prompt, answer } of tasks) {
    const { text, receipt } = await model.complete(prompt, { raw: true, maxTokens: 8, temperature: 0 });
    if (holds(text, answer)) right++;
    kept += density(receipt.work?.["blocks"] as Counter | undefined);
  }
  const task = keys === 1 ? "needle" : "multi-key";
  return { task, length, recipe, density: kept / items, items, right };
}

/** Makes one row, unless it exists or the time is spent. */
async function make(wanted: Pick<Row, "task" | "length" | "recipe" | "window">, use: (model: Model) => Promise<Row>) {
  const { task, length, recipe, window = 0 } = wanted;
  if (performance.now() > end) return;
  const same = (row: Row) => row.task === task && row.length === length && row.recipe === recipe;
  if (rows.some((row) => same(row) && (row.window ?? 0) === window)) return;
  using model = await load(values.model, { save: [recipe] });
  // Awaited here: the model is freed on return.
  record(await use(model));
}

/** Characters between the starts of two windows: more than the longest has. */
const apart = 80_000;

function ofText(model: Model, recipe: string, length: number, window: number): Promise<Row> {
  const start = window * apart;
  const ids = model.language.encode(text.slice(start, start + 8 * length), true).slice(0, length);
  return likelihood(model, recipe, ids);
}

for (const length of values.lengths.split(",").map(Number))
  for (const task of values.tasks.split(",") as Row["task"][])
    for (const recipe of recipes)
      if (task !== "nll")
        await make({ task, length, recipe }, (model) => retrieval(model, recipe, length, task === "needle" ? 1 : 4));
      else
        for (let window = 0; window < Number(values.windows); window++)
          await make({ task, length, recipe, window }, async (model) => ({
            ...(await ofText(model, recipe, length, window)),
            window,
          }));
