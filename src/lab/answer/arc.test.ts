import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveModel } from "../../weights/sources/index.ts";
import type { ChoiceItem } from "../item.ts";
import { argmax } from "../metrics/sums.ts";
import { arcEasy } from "../tasks/arc.ts";
import { type Answerer, openAnswerer } from "./index.ts";

interface Reference {
  items: { id: string; gold: number; choice: number; logLikelihoods: number[]; tokens: number[]; greedy: boolean[] }[];
}

/** Of transformers: tools/reference/arc_likelihoods.py. */
const reference: Reference = JSON.parse(
  readFileSync(new URL("../tasks/fixtures/arc-easy.json", import.meta.url), "utf8"),
);
/** All 200 take minutes: MODICUM_ALL_ITEMS=1. */
const count = process.env["MODICUM_ALL_ITEMS"] ? reference.items.length : 8;

let answerer: Answerer;
const items = new Map<string, ChoiceItem>();
beforeAll(async () => {
  const source = await resolveModel("smollm2");
  answerer = await openAnswerer({ source, recipe: [], quant: "f32", truncate: undefined });
  const countTokens = (text: string) => answerer.countTokens(text);
  for await (const item of arcEasy.items({ seed: 0, limit: undefined, countTokens }))
    items.set(item.id, item as ChoiceItem);
});
afterAll(() => answerer[Symbol.dispose]());

test("ARC-easy's choices have the log-likelihoods that transformers gives them", async () => {
  let [worst, same] = [0, 0];
  for (const wanted of reference.items.slice(0, count)) {
    const item = items.get(wanted.id)!;
    expect(item.gold).toBe(wanted.gold);
    const { answer } = await answerer.plan(item)!();
    const { likelihoods } = answer as { likelihoods: { logLikelihood: number; tokens: number; greedy: boolean }[] };
    expect(likelihoods.map((l) => l.tokens)).toEqual(wanted.tokens);
    expect(likelihoods.map((l) => l.greedy)).toEqual(wanted.greedy);
    const logs = likelihoods.map((l) => l.logLikelihood);
    if (argmax(logs) === wanted.choice) same++;
    worst = Math.max(worst, ...logs.map((nats, i) => Math.abs(nats - wanted.logLikelihoods[i]!)));
  }
  console.info(`${same} of ${count} choices the same, log-likelihoods within ${worst.toExponential(1)} nats`);
  expect(same).toBeGreaterThanOrEqual(count - Math.floor(count / 200));
  expect(worst).toBeLessThan(0.02);
}, 1_200_000);
