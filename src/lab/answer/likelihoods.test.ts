import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveModel } from "../../weights/sources/index.ts";
import type { ChoiceItem, Continuation, Likelihood } from "../item.ts";
import { argmax } from "../metrics/sums.ts";
import { arcEasy } from "../tasks/arc.ts";
import { openAnswerer } from "./answer.testing.ts";
import type { Answerer } from "./index.ts";

const read = (file: string) => JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8"));

/** Computed by transformers in fp32, with lm-evaluation-harness's conventions: tools/reference/likelihoods.py. */
const pairs: { items: (Continuation & Likelihood)[] } = read("fixtures/likelihoods.json");
/** Like `pairs`, for 200 downloaded questions: tools/reference/arc_likelihoods.py. */
const arc: {
  items: { id: string; gold: number; choice: number; logLikelihoods: number[]; tokens: number[]; greedy: boolean[] }[];
} = read("../tasks/fixtures/arc-easy.json");

let answerer: Answerer;
beforeAll(async () => {
  const source = await resolveModel("smollm2");
  answerer = await openAnswerer({ source, quant: "f32", truncate: undefined });
});
afterAll(() => answerer[Symbol.dispose]());

async function likelihoods(choices: readonly Continuation[]): Promise<readonly Likelihood[]> {
  const { answer } = await answerer.plan({ kind: "choice", id: "", choices, gold: 0 })!();
  return (answer as { likelihoods: Likelihood[] }).likelihoods;
}

test("continuations have transformers' log-likelihoods: spaces, line breaks, no context, merges, other scripts", async () => {
  const got = await likelihoods(pairs.items);
  for (const [i, { context, continuation, logLikelihood, ...exactly }] of pairs.items.entries()) {
    expect(got[i]).toMatchObject(exactly);
    expect(Math.abs(got[i]!.logLikelihood - logLikelihood), `${context}|${continuation}`).toBeLessThan(1e-3);
  }
});

// Runs only with MODICUM_ARC=1, because it takes minutes and downloads data.
test.skipIf(!process.env["MODICUM_ARC"])(
  "200 questions of ARC-easy are answered as by transformers",
  async () => {
    const items = new Map<string, ChoiceItem>();
    const countTokens = (text: string) => answerer.countTokens(text);
    for await (const item of arcEasy.items({ seed: 0, limit: undefined, countTokens })) items.set(item.id, item);
    let [worst, same] = [0, 0];
    for (const wanted of arc.items) {
      const { choices, gold } = items.get(wanted.id)!;
      expect(gold).toBe(wanted.gold);
      const got = await likelihoods(choices);
      expect(got.map((l) => l.tokens)).toEqual(wanted.tokens);
      const logs = got.map((l) => l.logLikelihood);
      if (argmax(logs) === wanted.choice) same++;
      worst = Math.max(worst, ...logs.map((nats, i) => Math.abs(nats - wanted.logLikelihoods[i]!)));
    }
    console.info(
      `${same} of ${arc.items.length} choices the same, log-likelihoods within ${worst.toExponential(1)} nats`,
    );
    expect(same).toBeGreaterThanOrEqual(199);
    expect(worst).toBeLessThan(0.02);
  },
  1_800_000,
);
