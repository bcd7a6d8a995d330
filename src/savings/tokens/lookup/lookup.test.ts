/** Drafts quoted from the text itself, for a float32 model with four layers. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generateAll } from "../../../engine/decode/answer/batch-generate.ts";
import { type GenerateInput, generateOptions } from "../../../engine/decode/answer/generate.ts";
import { LanguageModel } from "../../../engine/decode/language-model.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { type Drafter, densePlan, type Plan, planOf } from "../../plan.ts";
import { checkSeams, parseRecipe } from "../../recipe.ts";
import type { SavingHost } from "../../seams.ts";
import { lookup, TextIndex } from "./lookup.ts";

const folder = fileURLToPath(new URL("../../../../packages/models/expertrag-world", import.meta.url));
let model: LanguageModel;
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel(folder), "f32");
});
afterAll(() => model[Symbol.dispose]());

const host = (): SavingHost => ({ decoder: model.decoder, hash: async () => "" });

async function planWith(options: object = {}): Promise<Plan> {
  using prepared = await lookup.prepare(lookup.options.parse(options), host());
  return planOf([prepared!.plan({ prompt: 30, visual: [] })!]);
}

test("the place after the latest occurrence of the last tokens, which are not their own", () => {
  const seen = new TextIndex(2);
  const text = [1, 2, 3, 1, 2];
  expect(seen.after([1])).toBeUndefined();
  expect(seen.after(text.slice(0, 2))).toBeUndefined();
  expect(seen.after(text)).toBe(2);
  expect(seen.after([...text, 4, 1, 2])).toBe(5);
  expect(seen.after([...text, 4, 1, 2, 9])).toBeUndefined();
});

/** The lengths of drafts, all right or all wrong, for a text of one repeated token. */
function lengths(drafter: Drafter, right: boolean, steps: number): number[] {
  return Array.from({ length: steps }, (_, i) => {
    const draft = drafter.draft(Array<number>(20 + i).fill(7), 7, 20);
    if (draft.length > 0) drafter.judge(right ? draft.length : 0);
    return draft.length;
  });
}

test("drafts grow while they are right; after wrong ones, more and more occasions are let go", async () => {
  const drafter = async () => (await planWith()).drafter!;
  // The last occurrence ends one token before the end of the text, so drafts have one token.
  expect(new Set(lengths(await drafter(), true, 4))).toEqual(new Set([1]));
  const repeated = await drafter();
  const text = Array.from({ length: 60 }, (_, i) => i % 20);
  const result = Array.from({ length: 4 }, (_, i) => {
    const draft = repeated.draft(text.slice(0, 40 + i), text[40 + i]!, 20);
    repeated.judge(draft.length);
    return draft.length;
  });
  expect(result).toEqual([2, 4, 8, 8]);
  const wrong = lengths(await drafter(), false, 200);
  const waits = wrong.flatMap((length, i) => (length > 0 ? [i] : [])).map((at, i, all) => at - (all[i - 1] ?? -1) - 1);
  expect(waits.slice(0, 7)).toEqual([0, 1, 2, 4, 8, 16, 32]);
  expect(Math.max(...waits)).toBe(32);
});

test("drafts have few lengths, each of which is checked by programs of its own", async () => {
  const drafterOf = async (tokens: number) => (await planWith({ tokens, match: 1 })).drafter!;
  const lengthsOf = async (tokens: number) => (await drafterOf(tokens)).lengths;
  expect(await lengthsOf(8)).toEqual([1, 2, 4, 8]);
  expect(await lengthsOf(6)).toEqual([1, 2, 4, 6]);
  expect(await lengthsOf(1)).toEqual([1]);
  const drafter = await drafterOf(8);
  drafter.judge(3);
  expect(drafter.draft([1, 2, 3, 4, 5, 6], 1, 3)).toEqual([2, 3]);
  expect(drafter.draft([1, 2, 3, 4, 5, 6, 1], 1, 20)).toEqual([1]);
});

test("drafts have at most 16 tokens", () => {
  expect(lookup.options.parse({ tokens: "16" })).toMatchObject({ tokens: 16 });
  for (const tokens of [17, 1_000_000, -1])
    expect(() => lookup.options.parse({ tokens })).toThrow(`expected a whole number between 0 and 16, got ${tokens}`);
});

/** Repeated facts, so the answer quotes. */
const FACTS = " tana harkin town lisbon. tana harkin pet fox. tana harkin job baker.";
const passage = `${FACTS}${FACTS}${FACTS} tana harkin town`;

const settings: [string, GenerateInput][] = [
  ["greedy", {}],
  ["with a repetition penalty", { repetitionPenalty: 1.3 }],
  ["sampled", { temperature: 1, seed: 5 }],
];

async function answers(plans: readonly Plan[], input: GenerateInput) {
  const { engine, tokenizer } = model;
  engine.forget();
  const never = Object.fromEntries([...tokenizer.stopIds].map((id) => [id, -100]));
  const options = generateOptions.parse({ maxTokens: 40, temperature: 0, logitBias: never, ...input });
  const prompt = tokenizer.encode(passage);
  const all = await generateAll(
    engine,
    tokenizer,
    plans.map((plan) => ({ prompt, options, plan })),
  );
  return all.map(({ tokens, usage }) => ({ ids: tokens.map(({ id }) => id), usage }));
}

test.each(settings)("%s, an answer is dense's, alone and beside others", async (_, value) => {
  const [dense] = await answers([densePlan], value);
  const [alone] = await answers([await planWith({ match: 2 })], value);
  expect(alone!.ids).toEqual(dense!.ids);
  const { work, flops } = alone!.usage;
  expect(work["drafts"]!.run).toBeGreaterThan(0);
  expect(work["accepted"]!.run).toBeLessThanOrEqual(work["drafts"]!.run);
  expect(flops.dense).toBeCloseTo(dense!.usage.flops.dense, -1);
  const together = await answers([await planWith({ match: 2 }), densePlan, await planWith({ match: 3 })], value);
  for (const { ids } of together) expect(ids).toEqual(dense!.ids);
});

test("a quoted text takes fewer passes: fewer bytes are read, for more FLOPs", async () => {
  const [quoted] = await answers([await planWith({ match: 2 })], {});
  const { work, bytes, flops } = quoted!.usage;
  expect(work["accepted"]!.run).toBeGreaterThan(8);
  expect(bytes.spent).toBeLessThan(0.9 * bytes.dense);
  expect(flops.spent).toBeGreaterThan(flops.dense);
});

test("no draft is dense; exits and drafts exclude each other; states that cannot be taken back are refused", async () => {
  expect(await lookup.prepare(lookup.options.parse({ tokens: 0 }), host())).toBeUndefined();
  expect(() => checkSeams(parseRecipe(["lookup", "exit:layer=2"]))).toThrow("the steps of an answer");
  const config = { ...model.decoder.config, recurrent: () => 10 };
  expect(lookup.unsupported({ ...model.decoder, config } as never)).toContain("recurrent layers");
});
