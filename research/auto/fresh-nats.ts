/**
 * Judges a certificate of `nats` on prompts that its tuning has not seen, as a live server answers and audits them:
 *
 * npx tsx research/auto/fresh-nats.ts MODEL CERTIFICATE FILE.jsonl OUT.json [MAX_TOKENS]
 *
 * Each prompt is answered by dense and under the certificate, both without a cache, and the audit replays it. Each
 * prompt is a line of OUT.jsonl; a killed program resumes after the last one. The bet against the certificate starts
 * fresh, and losses never switch the certificate off.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { median } from "../../bench/report.ts";
import { bootstrap } from "../../src/lab/metrics/bootstrap.ts";
import { LinesFile } from "../../src/lab/run/lines-file.ts";
import { machine } from "../../src/lab/run/machine.ts";
import { auditState, switchOn } from "../../src/savings/auto/audit-state.ts";
import { Catalogue } from "../../src/serve/models/catalogue.ts";
import { jsonOf, post, serveModels, type Testing } from "../../src/serve/serve.testing.ts";
import { mean } from "../../src/util/mean.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";

/** Milliseconds between two checks of the audits. */
const TICK = 20;

const item = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string() })) });
const receipt = z.object({
  recipe: z.array(z.string()),
  tokens: z.object({ prompt: z.int() }),
  ms: z.object({ prefill: z.number(), decode: z.number() }),
  flops: z.object({ spent: z.number() }),
  guarantee: z.object({ risk: z.number() }).nullish(),
});
const cost = z.strictObject({ ms: z.number(), flops: z.number() });
const line = z.strictObject({
  tokens: z.int(),
  dense: cost,
  certified: cost,
  recipe: z.array(z.string()),
  guaranteed: z.boolean(),
  /** Nats, at most 1; null without a guarantee. */
  loss: z.number().nullable(),
});
type Line = z.infer<typeof line>;

const [model = "", name = "", file = "", out = "", maxTokens = "48"] = process.argv.slice(2);

async function answer(server: Testing, called: string, { messages }: z.infer<typeof item>) {
  const body = { model: called, messages, temperature: 0, max_tokens: Number(maxTokens), cache_prompt: false };
  const reply = await jsonOf(post(server, "/v1/chat/completions", body));
  const { recipe, tokens, ms, flops, guarantee } = receipt.parse(reply.receipt);
  return { cost: { ms: ms.prefill + ms.decode, flops: flops.spent }, recipe, tokens: tokens.prompt, guarantee };
}

/** The loss of the one answer under the certificate that has not been audited yet. */
async function auditedLoss(): Promise<number> {
  while (auditState(name).count === 0) await sleep(TICK);
  return auditState(name).last[0]!;
}

async function judge(server: Testing, prompt: z.infer<typeof item>): Promise<Line> {
  const dense = await answer(server, model, prompt);
  await switchOn(name);
  const { cost: certified, recipe, tokens, guarantee } = await answer(server, `${model}@${name}`, prompt);
  const guaranteed = guarantee != null;
  return { tokens, dense: dense.cost, certified, recipe, guaranteed, loss: guaranteed ? await auditedLoss() : null };
}

function summary(lines: readonly Line[]) {
  const judged = lines.flatMap(({ loss }) => (loss === null ? [] : [loss]));
  const of = (side: "dense" | "certified", what: "ms" | "flops") => lines.map((each) => each[side][what]);
  return {
    ...{ items: lines.length, guaranteed: judged.length, nats: mean(judged), most: Math.max(...judged) },
    ci95: bootstrap(
      judged.map((loss) => [loss]),
      (parts) => mean(parts.map(([loss]) => loss!)),
      { seed: 0 },
    ).ci95,
    ms: { dense: median(of("dense", "ms")), certified: median(of("certified", "ms")) },
    flops: { dense: mean(of("dense", "flops")), certified: mean(of("certified", "flops")) },
    machine: machine(),
  };
}

async function main(): Promise<void> {
  const prompts = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((text) => item.parse(JSON.parse(text)));
  const { path } = await resolveModel(model);
  const { file: log, lines } = await LinesFile.open(out.replace(/json$/, "jsonl"), line);
  const server = await serveModels([], { catalogue: await Catalogue.open([`${model}=${path}`], {}), audit: 1 });
  try {
    for (const prompt of prompts.slice(lines.length)) {
      const judged = await judge(server, prompt);
      await log.add(judged);
      lines.push(judged);
      process.stderr.write(`${lines.length} of ${prompts.length}: ${judged.loss}\n`);
    }
  } finally {
    await server.stop(0);
    await log.close();
  }
  await writeJson(out, summary(lines));
}

await main();
