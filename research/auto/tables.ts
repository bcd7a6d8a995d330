/** Writes the table of tunings on real tasks: `npx tsx research/auto/tables.ts`. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { markdownTable, root, writeSection } from "../../tools/section.ts";

const ladder = z.array(z.object({ rungs: z.array(z.string()).nonempty() }));
const result = z.object({
  certificate: z
    .object({
      ...{ ladder, p: z.number(), mean: z.number(), quality: z.number() },
      items: z.object({ search: z.int(), test: z.int() }),
      cost: z.object({ ms: z.object({ dense: z.number(), chosen: z.number() }) }),
    })
    .nullable(),
  nearest_miss: z.object({ verdict: z.object({ ladder, mean: z.number(), groups: z.int() }) }).nullable(),
});
const fresh = z.object({
  ...{ items: z.int(), guaranteed: z.int(), harm: z.number() },
  ms: z.object({ dense: z.number(), certified: z.number() }),
});

const TASKS = [
  { name: "edits", model: "qwen2.5-coder" },
  { name: "science", model: "qwen2.5-coder>qwen2.5-coder-1.5b" },
  { name: "sums", model: "qwen2.5-coder" },
] as const;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
const recipesIn = (parts: z.output<typeof ladder>): string => parts.map(({ rungs }) => `\`${rungs[0]}\``).join("; ");

function row({ name, model }: (typeof TASKS)[number]): string[] {
  const folder = `results/${name}`;
  const read = <T>(file: string, schema: z.ZodType<T>) =>
    schema.parse(JSON.parse(readFileSync(join(root, "research/auto", folder, file), "utf8")));
  const { certificate, nearest_miss: miss } = read("result.json", result);
  const link = `[${name}](${folder}/result.json)`;
  if (certificate === null)
    return [
      link,
      model,
      "nothing",
      miss ? `${recipesIn(miss.verdict.ladder)}: ${miss.verdict.mean.toFixed(3)} on ${miss.verdict.groups}` : "",
      "",
      "",
    ];
  const { ms } = certificate.cost;
  const tested = `${certificate.mean.toFixed(3)} on ${certificate.items.test} (p = ${certificate.p.toPrecision(2)}); dense is right on ${certificate.quality.toFixed(2)}`;
  return [
    link,
    model,
    recipesIn(certificate.ladder),
    tested,
    `${seconds(ms.dense)} → ${seconds(ms.chosen)}`,
    freshText(folder),
  ];

  function freshText(of: string): string {
    if (!existsSync(join(root, "research/auto", of, "fresh.json"))) return "";
    const { harm, items, guaranteed, ms } = read("fresh.json", fresh);
    return `[${harm.toFixed(3)} on ${items}](${of}/fresh.json), ${guaranteed} of them guaranteed; ${seconds(ms.dense)} → ${seconds(ms.certified)}`;
  }
}

writeSection(
  "research/auto/README.md",
  "tunings",
  markdownTable(
    ["task", "model", "certified", "loss, tested", "time, dense → certified", "loss, fresh"],
    TASKS.map(row),
  ),
);
