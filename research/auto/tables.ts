/** Writes the tables of tunings on real tasks and of drift: `npx tsx research/auto/tables.ts`. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { markdownTable, root, writeSection } from "../../tools/section.ts";

const ladder = z.array(z.object({ rungs: z.array(z.string()).nonempty() }));
const result = z.object({
  certificate: z
    .object({
      ...{ ladder, p: z.number(), mean: z.number() },
      /** Dense's quality; absent under `nats`, where no answer is right or wrong. */
      quality: z.number().optional(),
      items: z.object({ search: z.int(), test: z.int() }),
      cost: z.object({ ms: z.object({ dense: z.number(), chosen: z.number() }) }),
    })
    .nullable(),
  nearest_miss: z.object({ verdict: z.object({ ladder, mean: z.number(), groups: z.int() }) }).nullable(),
  unsure: z.array(z.object({ ladder, loss: z.number() })),
});
type Certified = NonNullable<z.output<typeof result>["certificate"]>;
/** The mean loss is under the loss's own name. */
const fresh = z.object({
  ...{ items: z.int(), guaranteed: z.int(), harm: z.number().optional(), nats: z.number().optional() },
  ms: z.object({ dense: z.number(), certified: z.number() }),
});

const TASKS = [
  { name: "edits", model: "qwen2.5-coder" },
  { name: "passages", model: "smollm2" },
  { name: "science", model: "qwen2.5-coder>qwen2.5-coder-1.5b" },
  { name: "science-190", model: "qwen2.5-coder>qwen2.5-coder-1.5b" },
  { name: "sums", model: "qwen2.5-coder" },
] as const;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
const recipesIn = (parts: z.output<typeof ladder>): string => parts.map(({ rungs }) => `\`${rungs[0]}\``).join("; ");

/** A file of the results, undefined if there is none. */
function read<T>(file: string, schema: z.ZodType<T>): T | undefined {
  const path = join(root, "research/auto", file);
  return existsSync(path) ? schema.parse(JSON.parse(readFileSync(path, "utf8"))) : undefined;
}

function row({ name, model }: (typeof TASKS)[number]): string[] {
  const file = `results/${name}/result.json`;
  const { certificate, nearest_miss: miss, unsure } = read(file, result)!;
  const task = [`[${name}](${file})`, model];
  if (certificate) return [...task, ...certifiedCells(certificate), freshText(`results/${name}/fresh.json`)];
  const missed = miss && `${recipesIn(miss.verdict.ladder)}: ${miss.verdict.mean.toFixed(3)} on ${miss.verdict.groups}`;
  const slow = unsure.map(({ ladder, loss }) => `${recipesIn(ladder)}: no faster; ${loss.toFixed(3)} in the search`);
  return [...task, "nothing", missed ?? slow.join("; "), "", ""];
}

function certifiedCells({ ladder, mean, p, quality, items, cost: { ms } }: Certified): string[] {
  const right = quality === undefined ? "" : `; dense is right on ${quality.toFixed(2)}`;
  const tested = `${mean.toFixed(3)} on ${items.test} (p = ${p.toPrecision(2)})${right}`;
  return [recipesIn(ladder), tested, `${seconds(ms.dense)} → ${seconds(ms.chosen)}`];
}

function freshText(file: string): string {
  const judged = read(file, fresh);
  if (judged === undefined) return "";
  const { harm, nats, items, guaranteed, ms } = judged;
  return `[${(nats ?? harm)!.toFixed(3)} on ${items}](${file}), ${guaranteed} of them guaranteed; ${seconds(ms.dense)} → ${seconds(ms.certified)}`;
}

writeSection(
  "research/auto/README.md",
  "tunings",
  markdownTable(
    ["task", "model", "certified", "loss, tested", "time, dense → certified", "loss, fresh"],
    TASKS.map(row),
  ),
);

const drift = z.object({
  ...{ recipe: z.string(), risk: z.number(), runs: z.int(), off: z.int(), audited: z.number() },
  ...{ requests: z.object({ until_off: z.number() }), loss: z.number() },
  certified: z.object({ audited: z.int(), off: z.boolean(), wealth: z.number(), loss: z.number() }),
});

function driftRows(): string[][] {
  const { runs, off, audited, requests, loss, certified } = read("results/drift/outcome.json", drift)!;
  const stayed = `${certified.audited} audited, ${certified.off ? "off" : "on"}; wealth ${certified.wealth.toFixed(2)}`;
  const sentence = `off in ${off} of ${runs} runs, after a median of ${audited} audited answers, ${requests.until_off} requests at a share of 0.01`;
  return [
    ["like the certificate's", certified.loss.toFixed(3), stayed],
    ["passages alone", loss.toFixed(3), sentence],
  ];
}

writeSection(
  "research/auto/README.md",
  "drift",
  markdownTable(["prompts", "mean loss of the last 50", "the certificate"], driftRows()),
);
