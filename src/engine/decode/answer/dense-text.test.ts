/** Savings that claim the same text as dense, on SmolLM2: every position's logits equal a decode step's, bit by bit. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { densePlan } from "../../../savings/plan.ts";
import { parseRecipe } from "../../../savings/recipe.ts";
import { savings } from "../../../savings/registry.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { Meter } from "../../bill/meter.ts";
import { LanguageModel } from "../language-model.ts";
import { BATCH_ROWS } from "../run/batch.ts";
import { generateAll } from "./batch-generate.ts";
import {
  compare,
  denseTextPrompts,
  denseTextRecipes,
  type ObservedAnswer,
  observe,
  sameBits,
} from "./dense-text.testing.ts";
import { generateOptions } from "./generate.ts";

/** On the second prompt, drafts checked by prefill's attention change the ninth token on x86 with VNNI. */
const PROMPTS = [0, 8].map((at) => denseTextPrompts[at]!);
const TOKENS = 24;

let model: LanguageModel;
let dense: ObservedAnswer[];
const encoded = (text: string): number[] => model.encode(text, false);
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel("smollm2"));
  dense = [];
  for (const text of PROMPTS) dense.push(await observe(model, "dense", encoded(text), TOKENS));
});
afterAll(() => model[Symbol.dispose]());

test("each saving whose page claims dense's text is here", () => {
  const page = (name: string) => readFileSync(new URL(`../../../../docs/savings/${name}.md`, import.meta.url), "utf8");
  const claims = savings.map(({ name }) => name).filter((name) => page(name).includes("text is dense's"));
  // `draft` is compared in draft.test.ts instead, because its network was not trained for SmolLM2.
  expect([...Object.keys(denseTextRecipes), "draft"].toSorted()).toEqual(claims.toSorted());
});

test.each(Object.values(denseTextRecipes).flat())(
  "%s: text, log-probabilities and state are dense's",
  async (recipe) => {
    let drafts = 0;
    for (const [i, text] of PROMPTS.entries()) {
      const answer = await observe(model, recipe, encoded(text), TOKENS);
      expect(answer.tokens).toEqual(dense[i]!.tokens);
      expect(compare(dense[i]!, answer)).toEqual({ positions: dense[i]!.tokens.length, worst: 0, sameState: true });
      drafts += answer.drafts;
    }
    expect(drafts).toBeGreaterThan(0);
  },
);

test("a check of any number of drafts has the logits of as many steps, in one program a block or in pieces", async () => {
  const { engine } = model;
  const [prompt, { tokens, logits }] = [encoded(PROMPTS[0]!), dense[0]!];
  using lease = await model.use(parseRecipe(["lookup"]));
  const plan = lease.plan(prompt.length);
  engine.forget();
  const drafted = Array.from({ length: TOKENS }, (_, i) => i).filter((i) => engine.programs.hasApart(i + 1));
  expect(drafted).toEqual([1, 2, 4, 8]);
  const slot = engine.acquire(prompt, plan);
  const meter = new Meter(engine.programs);
  await engine.prefill(slot, prompt, meter, plan);
  for (let drafts = 1; drafts < TOKENS - 1; drafts++) {
    const ahead = tokens.slice(1, drafts + 1);
    const [checked] = await engine.stepAll([{ slot, token: tokens[0]!, ahead, meter, plan }]);
    if (checked!.kind !== "checked") throw new Error(`drafts ended as ${checked!.kind}`);
    expect(checked!.logits.map((row, i) => sameBits(row, logits[i + 1]!))).not.toContain(false);
    slot.truncate(prompt.length);
  }
  engine.release(slot);
});

test("answers beside others, of any number, have the logits of each alone", async () => {
  const { engine, tokenizer } = model;
  using lease = await model.use(parseRecipe(["lookup"]));
  engine.forget();
  const rows = Array.from({ length: BATCH_ROWS }, () => [] as Float32Array[]);
  const requests = rows.map((own, i) => {
    const prompt = encoded(PROMPTS[i % PROMPTS.length]!);
    const options = generateOptions.parse({ maxTokens: TOKENS - 2 * i, temperature: 0 });
    const observed = { ...options, observe: (logits: Float32Array) => void own.push(logits.slice()) };
    // Each runs as if on a fresh engine: tokens shared with other prompts would run in different chunks.
    return { prompt, options: observed, plan: i % 4 === 0 ? lease.plan(prompt.length) : densePlan, alone: true };
  });
  await generateAll(engine, tokenizer, requests);
  for (const [i, own] of rows.entries()) {
    const alone = dense[i % PROMPTS.length]!.logits;
    expect(own).toHaveLength(TOKENS - 2 * i);
    expect(own.map((logits, at) => sameBits(logits, alone[at]!))).not.toContain(false);
  }
});
