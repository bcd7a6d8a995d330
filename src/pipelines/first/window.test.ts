import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Meter } from "../../engine/bill/meter.ts";
import { tinyWithLetters } from "../../engine/decode/listwise/letters.testing.ts";
import { lettersOf, scoresOf } from "../../engine/decode/listwise/letters.ts";
import { load, type Model } from "../../index.ts";
import { seededRandom } from "../../util/random.ts";
import { rankModelOf } from "./model.ts";
import { checkFirstOptions } from "./options.ts";
import { byScore, written } from "./order.ts";
import { WindowRanker } from "./window.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-first-"));
let model: Model;
beforeAll(async () => {
  const file = path.join(folder, "letters.gguf");
  writeFileSync(file, tinyWithLetters());
  model = await load(file, { quant: "f32" });
});
afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true });
});

const single = checkFirstOptions({ windowSize: 4, stride: 2 });
const generate = checkFirstOptions({ windowSize: 4, stride: 2, method: "generate" });

/** Passages of random letters. */
function passages(count: number, seed: number): string[] {
  const random = seededRandom(seed);
  const word = () => String.fromCharCode(...Array.from({ length: 3 }, () => 97 + Math.floor(26 * random())));
  return Array.from({ length: count }, () => `${word()} ${word()}`);
}

/** The logits after the prompt, which is run token by token, without a shared cache. */
async function reference(ids: readonly number[]): Promise<Float32Array> {
  const { engine } = model.language;
  const meter = new Meter(engine.programs);
  engine.forget();
  const begin = ids.slice(0, 1);
  const slot = engine.acquire(begin);
  let logits = await engine.prefill(slot, begin, meter);
  for (const id of ids.slice(1)) logits = await engine.step(slot, id, meter);
  const copy = logits.slice();
  engine.release(slot);
  return copy;
}

test("letters' logits equal a run token by token, in the same order, with and without a cached prefix", async () => {
  const ranker = new WindowRanker(rankModelOf(model), single);
  const texts = passages(4, 1);
  const { ids } = ranker.prompt("why", texts);
  const expected = scoresOf(await reference(ids), lettersOf(model.language.tokenizer, 4), 4);
  model.language.engine.forget();
  const fresh = await ranker.rank("why", texts, {});
  await ranker.rank("why", passages(4, 2), {});
  const cached = await ranker.rank("why", texts, {});
  expect(fresh.receipt.tokens.cached).toBe(0);
  expect(cached.receipt.tokens.cached).toBeGreaterThan(0);
  for (const { logits, order } of [fresh, cached]) {
    expect(Math.max(...logits.map((logit, i) => Math.abs(logit - expected[i]!)))).toBeLessThan(1e-3);
    expect(order).toEqual(byScore(expected));
  }
});

test("a written ranking begins with the letter of the greatest logit, and takes as many tokens as priced", async () => {
  const ranker = new WindowRanker(rankModelOf(model), generate);
  const first = new WindowRanker(rankModelOf(model), single);
  for (let seed = 0; seed < 10; seed++) {
    const texts = passages(4, seed);
    const { text, order, logits, receipt } = await ranker.rank("why", texts, {});
    expect(text).toMatch(/^\[[A-D]\]( > \[[A-D]\]){3}$/);
    expect(written(text!)[0]).toBe(byScore(logits)[0]);
    expect([...order].sort()).toEqual([0, 1, 2, 3]);
    const one = await first.rank("why", texts, {});
    expect(one.receipt.tokens.completion).toBe(1);
    const steps = first.answerTokens(4) - 1;
    expect(receipt.tokens.completion).toBe(steps + 1);
    const { prompt } = one.receipt.tokens;
    expect(receipt.flops.dense - receipt.tokens.cached).toBeGreaterThan(0);
    expect(
      rankModelOf(model).pricePrompt(prompt).flops + rankModelOf(model).priceSteps(prompt, steps).flops,
    ).toBeGreaterThan(0);
  }
});
