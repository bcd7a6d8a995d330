/**
 * A control for stopping: completions that a recipe ended are shorter, and short texts are right more easily. Here
 * dense's completions are cut at the same lengths, in random order, and judged alike. Writes `stops.json` beside each
 * run of next tokens: `npx tsx research/exits/stop-control.ts && npx tsx research/exits/page.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../../src/index.ts";
import { exactLine, shownAcceptedProxy } from "../../src/lab/metrics/index.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { root } from "../../tools/section.ts";
import { type Committed, committedRuns } from "../common/committed-runs.ts";
import { everyItem, type ItemOf, type ItemsFor, itemsOf, type TaskOf } from "../common/tasks.ts";

const DRAWS = 1000;

type Metric = TaskOf<"generation">["metrics"][number];
type Answer = Parameters<Metric["part"]>[1] & { readonly tokens: readonly number[] };

interface Result {
  readonly item: string;
  readonly recipe: string;
  readonly answer: Answer;
}

/** A metric under a recipe, and of dense's completions cut at the same lengths in a random order: 95 % of the draws. */
interface Controlled {
  readonly value: number;
  readonly random: { readonly mean: number; readonly ci95: readonly [number, number] };
}

/** A recipe's stops beside as many at random: the accepted-proxy of shown completions, and exact first lines. */
export interface Stops {
  readonly recipe: string;
  readonly shown: Controlled;
  readonly exact: Controlled;
}

async function stopsOf({ folder, summary }: Committed): Promise<Stops[]> {
  const lines = readFileSync(join(root, folder, "results.jsonl"), "utf8")
    .split("\n")
    .filter(Boolean);
  const results = lines.map((line) => JSON.parse(line) as Result);
  using model = await load(summary.model);
  const { tokenizer } = model.language;
  const items = await itemsById(summary, tokenizer);
  const of = (recipe: string) => results.filter((result) => result.recipe === recipe);
  const dense = of("dense");
  const cut = ({ answer: { tokens } }: Result, length: number): Answer =>
    length >= tokens.length
      ? { text: tokenizer.decode(tokens), tokens }
      : { text: tokenizer.decode(tokens.slice(0, length)), tokens: tokens.slice(0, length), stopped: true };
  return summary.recipes
    .map(({ recipe }) => recipe)
    .filter((recipe) => of(recipe).some(({ answer }) => answer.stopped))
    .map((recipe) => {
      const lengths = of(recipe).map(({ answer }) => answer.tokens.length);
      const controlled = (metric: Metric): Controlled => {
        const judged = (answers: readonly Answer[]) =>
          metric.quality(answers.map((answer, i) => metric.part(items.get(dense[i]!.item)!, answer, dense[i]!.answer)));
        const random = seededRandom(0);
        const draws = Array.from({ length: DRAWS }, () => {
          const cuts = shuffle([...lengths], random);
          return judged(dense.map((result, i) => cut(result, cuts[i]!)));
        }).sort((a, b) => a - b);
        return {
          value: judged(of(recipe).map(({ answer }) => answer)),
          random: {
            mean: draws.reduce((sum, value) => sum + value, 0) / DRAWS,
            ci95: [draws[0.025 * DRAWS]!, draws[0.975 * DRAWS - 1]!],
          },
        };
      };
      return { recipe, shown: controlled(shownAcceptedProxy), exact: controlled(exactLine) };
    });
}

async function itemsById({ task, seed, items: limit }: Committed["summary"], tokenizer: ItemsFor["tokenizer"]) {
  const items = new Map<string, ItemOf<"generation">>();
  for await (const item of itemsOf("generation", task, { ...everyItem, seed, limit, tokenizer })) {
    items.set(item.id, item);
    if (items.size === limit) break;
  }
  return items;
}

if (process.argv[1] === import.meta.filename)
  for (const run of committedRuns("research/exits/results"))
    if (run.summary.task.startsWith("next-tokens:")) {
      const stops = await stopsOf(run);
      writeFileSync(join(root, run.folder, "stops.json"), `${JSON.stringify(stops, null, 1)}\n`);
      console.log(run.folder, JSON.stringify(stops));
    }
