/** Writes the tables of savings by task into docs/savings/README.md: `npx tsx tools/savings-by-task.ts`. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { markdownTable, root, writeSection } from "./section.ts";

const bench = z.object({
  model: z.string(),
  ratio: z.number(),
  spread: z.tuple([z.number(), z.number()]),
  machine: z.string(),
});

const times = z.object({ dense: z.number(), chosen: z.number(), ci95: z.tuple([z.number(), z.number()]) });
/** The output of `lab tune --json`. */
const tuning = z.object({
  certificate: z.object({ cost: z.object({ ms: times }), machine: z.string() }).nullable(),
});

/** The last line of `bench savings`. */
const survey = z.object({
  model: z.string(),
  rows: z.array(
    z.object({
      ...{ task: z.string(), recipe: z.string() },
      ...{ ratio: z.number(), spread: z.tuple([z.number(), z.number()]), flops: z.number() },
    }),
  ),
  machine: z.string(),
});
const SURVEYS = "bench/results/savings";

/** A task, the recipe to try first, and the file with its times. */
interface Row {
  readonly task: string;
  readonly recipe: string;
  readonly bench?: string;
  readonly tuning?: { readonly name: string; readonly model: string };
}

const ROWS: readonly Row[] = [
  {
    task: "code edits and quotes of the prompt",
    recipe: "[`lookup`](lookup.md)",
    tuning: { name: "edits", model: "qwen2.5-coder" },
  },
  { task: "code edits and quotes of the prompt", recipe: "[`lookup`](lookup.md)", bench: "lookup-amx" },
  { task: "prose", recipe: "[`lookup`](lookup.md): nothing gained", bench: "lookup-prose-amx" },
  { task: "short chats' prompts", recipe: "[`int8-prefill`](int8-prefill.md)", bench: "int8-prefill-amx" },
  {
    task: "prompts of 4,096 tokens or more: prefill",
    recipe: "[`xattention`](xattention.md)",
    bench: "xattention-amx",
  },
  {
    task: "questions on long passages",
    recipe: "[`int8-prefill`](int8-prefill.md) with [`prune`](prune.md)",
    tuning: { name: "passages", model: "smollm2" },
  },
  { task: "code completion at a cursor", recipe: "[`sec`](sec.md)", bench: "complete-vnni" },
  { task: "images: time to the first token", recipe: "[`feather`](feather.md)", bench: "vision-amx" },
  {
    task: "questions, by two models",
    recipe: "[`A>B`](../pipelines/route.md)",
    tuning: { name: "science", model: "qwen2.5-coder>qwen2.5-coder-1.5b" },
  },
  {
    task: "sums",
    recipe: "[`exit`](exit.md), [`dynamax`](dynamax.md)",
    tuning: { name: "sums", model: "qwen2.5-coder" },
  },
];

const read = <T>(file: string, schema: z.ZodType<T>): T =>
  schema.parse(JSON.parse(readFileSync(join(root, file), "utf8")));

const gain = (ratio: number, [low, high]: readonly [number, number]): string =>
  `${ratio.toFixed(2)} × (${low.toFixed(2)} to ${high.toFixed(2)})`;

function cells({ task, recipe, bench: name, tuning: tuned }: Row): string[] {
  if (tuned) {
    const file = `research/auto/results/${tuned.name}/result.json`;
    const { certificate } = read(file, tuning);
    return [
      task,
      recipe,
      tunedGain(certificate?.cost.ms),
      tuned.model,
      shortName(certificate?.machine ?? ""),
      link("tuning", file),
    ];
  }
  const file = `bench/results/${name}.json`;
  const { model, ratio, spread, machine } = read(file, bench);
  return [task, recipe, gain(ratio, spread), model, shortName(machine), link("bench", file)];
}

const tunedGain = (ms: z.output<typeof times> | undefined): string =>
  ms ? gain(ms.dense / ms.chosen, [1 / ms.ci95[1], 1 / ms.ci95[0]]) : "nothing certified: dense";

const link = (text: string, file: string): string => `[${text}](../../${file})`;

const shortName = (machine: string): string => machine.replace(/,.*$/, "");

writeSection(
  "docs/savings/README.md",
  "savings-by-task",
  markdownTable(["task", "try first", "speed-up over dense", "model", "machine", "measured by"], ROWS.map(cells)),
);

/** One row per saving and task, from all surveys. */
const surveyed = readdirSync(join(root, SURVEYS)).flatMap((name) => {
  const file = `${SURVEYS}/${name}`;
  const { model, rows, machine } = read(file, survey);
  return rows.map(({ task, recipe, ratio, spread, flops }) => [
    ...[task, `\`${recipe}\``, gain(ratio, spread), `${flops.toFixed(2)} ×`, model, shortName(machine)],
    link("bench", file),
  ]);
});

writeSection(
  "docs/savings/README.md",
  "savings-times",
  markdownTable(["request", "recipe", "speed-up over dense", "by FLOPs", "model", "machine", "measured by"], surveyed),
);
