/**
 * Finds the best llama.cpp settings for this machine: `npx tsx bench/peer/sweep.ts MODEL.gguf [ROUNDS]`. All variants
 * take turns in every round; prints medians and spreads of tokens per second, for a 512-token prompt and the 64 tokens
 * after it, and the peak resident memory in MB.
 */
import { Child } from "../child.ts";
import { median } from "../report.ts";
import { realTokens } from "../tokens.ts";
import type { Settings } from "./settings.ts";

const [model = "", rounds = "3"] = process.argv.slice(2);
const PROMPT = 512;
const STEPS = 64;

const variants: Partial<Settings>[] = [
  { flashAttention: true },
  { flashAttention: false },
  { flashAttention: true, api: "controlledEvaluate" },
  { flashAttention: true, mmap: false },
  { flashAttention: true, threads: 1 },
];

const measured = variants.map((variant) => ({
  variant,
  prefill: [] as number[],
  decode: [] as number[],
  peak: [] as number[],
}));
for (let round = 0; round < Number(rounds); round++) for (const m of measured) await measureOnce(m);
for (const { variant, ...figures } of measured) {
  console.log(JSON.stringify(variant));
  for (const [name, values] of Object.entries(figures)) console.log(`  ${name.padEnd(8)}${spread(values)}`);
}

async function measureOnce(m: (typeof measured)[number]): Promise<void> {
  const child = await Child.start("peer/llama.ts", [JSON.stringify(m.variant)]);
  try {
    await child.call("load", { model, context: 1024 });
    const tokens = realTokens(PROMPT);
    await child.call("decode", { tokens, n: 4 });
    m.prefill.push(PROMPT / (await child.call("prefill", { tokens })).seconds);
    m.decode.push(STEPS / (await child.call("decode", { tokens, n: STEPS })).seconds);
    m.peak.push((await child.call("peak", {})).bytes / 1e6);
    console.error(
      JSON.stringify(m.variant),
      ...[m.prefill, m.decode, m.peak].map((values) => values.at(-1)!.toFixed(1)),
    );
  } finally {
    await child.stop();
  }
}

function spread(values: number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)].map((v) => v.toFixed(0));
  return `${median(values).toFixed(1)} [${low}, ${high}]`;
}
