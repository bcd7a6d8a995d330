/**
 * Judges a certificate on items that its tuning has not seen, as a server answers them. Dense and the certificate take turns:
 * `npx tsx research/auto/fresh.ts URL DENSE CERTIFIED FILE.jsonl OUT.json MAX_TOKENS`, the two being names of models of the server.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { median } from "../../bench/report.ts";
import { holds } from "../../src/lab/metrics/contains.ts";
import { mean } from "../../src/util/mean.ts";
import { writeJson } from "../../src/util/write-whole.ts";

const line = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string() })), answer: z.string() });
type Item = z.infer<typeof line>;

const reply = z.object({
  choices: z.tuple([z.object({ message: z.object({ content: z.string() }) })]),
  receipt: z.object({
    recipe: z.array(z.string()),
    ms: z.object({ prefill: z.number(), decode: z.number() }),
    flops: z.object({ spent: z.number() }),
    guarantee: z.object({ risk: z.number(), certificate: z.string() }).nullish(),
  }),
});

const [url = "", dense = "", certified = "", file = "", out = "", maxTokens = "128"] = process.argv.slice(2);

async function answer(model: string, { messages, answer: right }: Item) {
  const body = { model, messages, temperature: 0, max_tokens: Number(maxTokens), cache_prompt: false };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${model}: ${response.status} ${await response.text()}`);
  const { choices, receipt } = reply.parse(await response.json());
  return {
    ...{ quality: holds(choices[0].message.content, right) ? 1 : 0, recipe: receipt.recipe },
    ...{ ms: receipt.ms.prefill + receipt.ms.decode, flops: receipt.flops.spent },
    guaranteed: receipt.guarantee?.certificate !== undefined,
  };
}

async function main(): Promise<void> {
  const items = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((text) => line.parse(JSON.parse(text)));
  const rows: Record<"dense" | "saved", Awaited<ReturnType<typeof answer>>>[] = [];
  for (const item of items) {
    rows.push({ dense: await answer(dense, item), saved: await answer(certified, item) });
    if (rows.length % 20 === 0) console.error(`${rows.length} of ${items.length}`);
  }
  const of = (side: "dense" | "saved", what: "quality" | "ms" | "flops") => rows.map((row) => row[side][what]);
  await writeJson(out, {
    ...{ items: rows.length, guaranteed: rows.filter(({ saved }) => saved.guaranteed).length },
    harm: mean(rows.map(({ dense, saved }) => Math.max(0, dense.quality - saved.quality))),
    quality: { dense: mean(of("dense", "quality")), certified: mean(of("saved", "quality")) },
    ms: { dense: median(of("dense", "ms")), certified: median(of("saved", "ms")) },
    flops: { dense: mean(of("dense", "flops")), certified: mean(of("saved", "flops")) },
  });
}

await main();
