/** Drafts from a random network, for a float32 model with four layers. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeDraft } from "../../../../tools/draft-files.ts";
import { generateAll } from "../../../engine/decode/answer/batch-generate.ts";
import { compare, observe } from "../../../engine/decode/answer/dense-text.testing.ts";
import { type GenerateInput, generateOptions } from "../../../engine/decode/answer/generate.ts";
import { LanguageModel } from "../../../engine/decode/language-model.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { densePlan, type Plan, planOf } from "../../plan.ts";
import { checkSeams, parseRecipe } from "../../recipe.ts";
import type { PreparedSaving } from "../../saving.ts";
import type { SavingHost } from "../../seams.ts";
import { draft } from "./draft.ts";

const world = fileURLToPath(new URL("../../../../packages/models/expertrag-world", import.meta.url));
const own = "ab".repeat(32);
const folder = mkdtempSync(path.join(tmpdir(), "modicum-draft-"));
const prepared: PreparedSaving[] = [];
let model: LanguageModel;

beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel(world), "f32");
  const normal = normals(seededRandom(1));
  const tokens = Array.from({ length: model.decoder.config.vocabulary }, (_, id) => id);
  const sizes = { hidden: 192, heads: 6, kvHeads: 6, ffn: 64, theta: 1e4, type: "Q4_1" as const };
  await writeDraft(folder, { model: { name: "world", sha256: own }, tokens, trained: 0 }, sizes, (name, count) =>
    Float32Array.from({ length: count }, () => (name.includes("norm") ? 1 : 0.05 * normal())),
  );
});
afterAll(() => {
  for (const each of prepared) each[Symbol.dispose]();
  model[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const host = (sha256 = own): SavingHost => ({ decoder: model.decoder, hash: async () => sha256 });

async function planWith(options: object = {}): Promise<Plan> {
  const asked = draft.options.parse({ file: folder, match: 0, confidence: 0, tokens: 2, ...options });
  const saving = (await draft.prepare(asked, host()))!;
  prepared.push(saving);
  return planOf([saving.plan({ prompt: 30, visual: [] })!]);
}

async function answers(plans: readonly Plan[], input: GenerateInput) {
  const { engine, tokenizer } = model;
  engine.forget();
  for (const plan of plans) await engine.prepare(plan);
  const never = Object.fromEntries([...tokenizer.stopIds].map((id) => [id, -100]));
  const options = generateOptions.parse({ maxTokens: 40, temperature: 0, logitBias: never, ...input });
  const prompt = tokenizer.encode(" tana harkin town lisbon. tana harkin pet fox. tana harkin town");
  const all = await generateAll(
    engine,
    tokenizer,
    plans.map((plan) => ({ prompt, options, plan })),
  );
  return all.map(({ tokens, usage }) => ({ ids: tokens.map(({ id }) => id), usage }));
}

test.each<[string, GenerateInput]>([
  ["greedy", {}],
  ["sampled", { temperature: 1, seed: 5 }],
])("%s, an answer is dense's, alone and beside others", async (_, value) => {
  const [dense] = await answers([densePlan], value);
  const [alone] = await answers([await planWith()], value);
  expect(alone!.ids).toEqual(dense!.ids);
  const { work, flops } = alone!.usage;
  expect(work["drafts"]!.run).toBeGreaterThan(10);
  expect(flops.dense).toBeCloseTo(dense!.usage.flops.dense, -1);
  const together = await answers([await planWith(), densePlan, await planWith({ match: 2 })], value);
  for (const { ids } of together) expect(ids).toEqual(dense!.ids);
});

test("on Qwen2.5-Coder in its running form, the shipped network's drafts leave text, log-probabilities and state", async () => {
  using coder = await LanguageModel.load(await resolveModel("qwen2.5-coder"));
  const prompt = coder.encode([{ role: "user", content: "Why is the sky blue?" }]);
  const dense = await observe(coder, "dense", prompt, 24);
  const answer = await observe(coder, "draft:match=0", prompt, 24);
  expect(compare(dense, answer)).toEqual({ positions: dense.tokens.length, worst: 0, sameState: true });
  expect(answer.accepted).toBeGreaterThan(2);
});

test("requests that share the network draft as each does alone", async () => {
  const drafted = ({ usage }: Awaited<ReturnType<typeof answers>>[number]) => usage.work["drafts"]!.run;
  const sharing = (await draft.prepare(draft.options.parse({ file: folder, match: 0, confidence: 0.005 }), host()))!;
  prepared.push(sharing);
  const plan = async () => planOf([sharing.plan({ prompt: 30, visual: [] })!]);
  const [alone] = await answers([await plan()], {});
  const together = await answers([await plan(), await plan()], {});
  expect(together.map(drafted)).toEqual([drafted(alone!), drafted(alone!)]);
});

test("the network's passes are overhead, also where no draft is sure enough to be checked", async () => {
  const [dense] = await answers([densePlan], {});
  const [unsure] = await answers([await planWith({ confidence: 1 })], {});
  expect(unsure!.ids).toEqual(dense!.ids);
  expect(unsure!.usage.work["drafts"]).toBeUndefined();
  expect(unsure!.usage.flops.overhead).toBeGreaterThan(0.05 * dense!.usage.flops.dense);
});

test("no draft is dense; a network of another model is refused, and exits beside it", async () => {
  const options = draft.options.parse({ file: folder });
  expect(await draft.prepare({ ...options, tokens: 0 }, host())).toBeUndefined();
  await expect(draft.prepare(options, host("cd".repeat(32)))).rejects.toThrow("the draft network is for world");
  await expect(draft.check(draft.options.parse({}), host())).rejects.toThrow("no draft network for this model");
  expect(() => checkSeams(parseRecipe(["draft", "exit:layer=2"]))).toThrow("the steps of an answer");
});
