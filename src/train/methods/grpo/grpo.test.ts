import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { generateAll } from "../../../engine/decode/answer/batch-generate.ts";
import { generateOptions } from "../../../engine/decode/answer/generate.ts";
import { load, resumeTraining, train } from "../../../index.ts";
import { openBase } from "../../../library/train.ts";
import { seededRandom } from "../../../util/random.ts";
import { readMetrics } from "../../session/metrics.ts";
import { openRun } from "../../session/open-run.ts";
import { isOwn } from "../../subject/own-subject.ts";
import { completeOptions } from "../complete.ts";
import { tinyChatModel } from "../preferences/tiny-model.testing.ts";
import { advantagesOf } from "./advantages.ts";
import { openReward } from "./rewards.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-grpo-"));
const model = tinyChatModel(folder);
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);

function fileOf(name: string, content: string): string {
  const file = path.join(mkdtempSync(path.join(folder, "file-")), name);
  writeFileSync(file, content);
  return file;
}
const rowsOf = (rows: readonly object[]) =>
  fileOf("rows.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
const prompts = ["Name a cat. ", "Why? ", "Count to three, please. "].map((prompt) => ({ prompt, wanted: "[A-Z]" }));
const capitals = fileOf(
  "capitals.mjs",
  'export default async (prompt, text, { wanted }) => (text.match(new RegExp(wanted, "g")) ?? []).length / 12;',
);
const lora = { rank: 4, targets: "attn_q,attn_v,ffn_up,ffn_down" };
const run = { model, data: rowsOf(prompts), lora, batch: 8, tokens: 36, steps: 8, optimizer: { lr: 0.1 } };
const method = { name: "grpo", reward_funcs: [capitals], max_completion_length: 12 };

test("rewards rise; a stopped run resumes to the same completions, rewards and norms", async () => {
  const whole = await train({ ...run, method }, { out: at("whole") });
  const stop = new AbortController();
  const onStep = ({ step }: { step: number }) => step === 4 && stop.abort();
  await expect(train({ ...run, method }, { out: at("halves"), signal: stop.signal, onStep })).rejects.toThrow();
  const { receipt } = await resumeTraining(at("halves"));
  const figures = (out: string) => readMetrics(at(out)).map(({ loss, norm, metrics }) => [loss, norm, metrics]);
  expect(figures("halves")).toEqual(figures("whole"));
  const [first, last] = [readMetrics(at("whole"))[0]!, readMetrics(at("whole")).at(-1)!];
  expect(last.metrics!["reward"]).toBeGreaterThan(1.5 * first.metrics!["reward"]!);
  expect(last.metrics!["rewards/capitals/mean"]).toBe(last.metrics!["reward"]);
  expect(whole.receipt).toMatchObject({ method: "grpo", prompts: { prompt: "raw" } });
  expect(receipt.flops.overhead).toBe(whole.receipt.flops.overhead);
  expect(receipt.flops.overhead).toBeGreaterThan(0);
  const { total, sampling, scoring, learning } = whole.receipt.ms;
  for (const part of [sampling, scoring, learning]) expect(part).toBeGreaterThan(0);
  expect(sampling! + scoring! + learning!).toBeLessThan(total);
});

test("equal rewards teach nothing", async () => {
  const same = fileOf("same.mjs", "export const reward = () => 0.5;");
  await train({ ...run, method: { ...method, reward_funcs: [same] }, steps: 2 }, { out: at("same") });
  for (const { loss, norm, metrics } of readMetrics(at("same"))) {
    expect([Math.abs(loss), norm]).toEqual([0, 0]);
    expect(metrics).toMatchObject({ reward: 0.5, frac_reward_zero_std: 1 });
  }
});

test("an engine shares the trained LoRA layers: it answers as the adapter does that is written then", async () => {
  const options = completeOptions({ ...run, lora: { ...lora, use_dora: true, lora_dropout: 0 }, method });
  const { subject, tokenizer } = await openRun(options, folder, (name) => openBase(name, {}));
  using store = subject.store;
  if (isOwn(subject)) throw new Error("expected a decoder");
  using engine = await subject.openEngine!();
  const prompt = tokenizer.encode("Name a cat. ");
  const sampling = { maxTokens: 24, temperature: 1, seed: 3, repetitionDetection: false };
  const textOf = async () => {
    engine.forget();
    const options = { ...generateOptions.parse(sampling), continues: true };
    const [answer] = await generateAll(engine, tokenizer, [{ prompt, options }]);
    return answer!.text;
  };
  const before = await textOf();
  const random = seededRandom(1);
  for (const parameter of store.parameters)
    if (/lora_(down|up)$/.test(parameter.name))
      store.valuesOf(parameter).set(Float32Array.from(store.valuesOf(parameter), () => random() - 0.5));
  await subject.write(at("changed"));
  using changed = await load(model, { adapter: at("changed"), quant: "f32" });
  const { text } = await changed.complete("Name a cat. ", { raw: true, ...sampling });
  const after = await textOf();
  expect(after).toBe(text);
  expect(after).not.toBe(before);
});

test("advantages are scaled by the group, by the batch, or not at all", () => {
  const groups = [
    [1, 3],
    [5, 5],
    [0, 1],
  ] as const;
  const rounded = (scale: "group" | "batch" | "none") =>
    advantagesOf(groups, scale).map((all) => all.map((each) => Number(each.toFixed(2))));
  expect(rounded("none")).toEqual([
    [-1, 1],
    [0, 0],
    [-0.5, 0.5],
  ]);
  expect(rounded("group")).toEqual([
    [-0.71, 0.71],
    [0, 0],
    [-0.71, 0.71],
  ]);
  expect(rounded("batch")).toEqual([
    [-0.46, 0.46],
    [0, 0],
    [-0.23, 0.23],
  ]);
});

test.each([
  ["exact", { answer: 42 }, " 42\n", "42."],
  ["pattern", { pattern: "^a+$" }, "aaa", "aab"],
  [
    "schema",
    { schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] } },
    '{"n": 1}',
    '{"n": 1.5}',
  ],
  ["schema", { schema: {} }, "null", "{"],
] as const)("the reward %s of %j", async (name, row, right, wrong) => {
  const { reward } = await openReward(name);
  expect([reward("", right, row), reward("", wrong, row)]).toEqual([1, 0]);
});

test("a module exports a function, in JavaScript or TypeScript", async () => {
  const typed = fileOf("typed.ts", "export const reward = (_: string, text: string): number => text.length;");
  expect((await openReward(typed)).reward("", "four", {})).toBe(4);
  await expect(openReward(fileOf("none.mjs", "export const other = 1;"))).rejects.toThrow(
    "expected a function as its default",
  );
  await expect(openReward(fileOf("broken.mjs", "throw new Error('broken');"))).rejects.toThrow(
    /broken\.mjs: Error: broken/,
  );
  await expect(openReward("exat")).rejects.toThrow(
    'there is no reward "exat"; expected one of exact, pattern, schema, or',
  );
  await expect(openReward("missing.mjs")).rejects.toThrow("there is no file missing.mjs");
});

const fresh = () => mkdtempSync(path.join(folder, "refused-"));
const refused = (data: object, options: object = {}) =>
  expect(train({ ...run, method, ...options, data: rowsOf([prompts[0]!, data]) }, { out: fresh() })).rejects;

test.each([
  ["throw new Error('no way')", String.raw`failed \(\S+bad\.mjs: line 1\): no way`],
  ["return Number.NaN", "returned NaN; expected a number"],
  ["return 'good'", 'returned "good"; expected a number'],
])("a reward that would %s ends the run with the row", async (body, sentence) => {
  const bad = fileOf("bad.mjs", `export default (prompt) => { if (prompt === "Bad ") ${body}; return 1; };`);
  await refused({ prompt: "Bad " }, { method: { ...method, reward_funcs: [bad] } }).toThrow(
    new RegExp(`rows.jsonl: line 2: the reward bad ${sentence}`),
  );
});

test("a reward that fails late leaves a checkpoint, from which the run goes on to the same rewards", async () => {
  const late = fileOf(
    "late.mjs",
    `let calls = 0;
export default (_, text) => {
  if (process.env.MODICUM_LATE === "on" && ++calls > 20) throw new Error("too late");
  return text.length;
};`,
  );
  const own = { ...run, method: { ...method, reward_funcs: [late] }, steps: 4 };
  await train(own, { out: at("never late") });
  const notices: string[] = [];
  process.env["MODICUM_LATE"] = "on";
  const stopped = train(own, { out: at("late"), onNotice: (sentence) => notices.push(sentence) });
  await expect(stopped).rejects.toThrow("late.mjs: line 3): too late");
  expect(notices).toContainEqual(expect.stringMatching(/^2 steps are stored: `modicum train --resume .*late`/));
  process.env["MODICUM_LATE"] = "off";
  await resumeTraining(at("late"));
  const figures = (out: string) => readMetrics(at(out)).map(({ step, norm, metrics }) => [step, norm, metrics]);
  expect(figures("late")).toEqual(figures("never late"));
});

test.each([
  ["exact", { prompt: "p" }, 'line 1: the reward exact needs a text or a number in the column "answer", got nothing'],
  ["pattern", { prompt: "p", pattern: "(" }, "line 1: the reward pattern needs a regular expression in the column"],
  ["schema", { prompt: "p" }, 'line 1: the reward schema needs a JSON schema in the column "schema", got nothing'],
])("%s reads a column that each row must have", async (reward, row, sentence) => {
  await refused(row, { method: { ...method, reward_funcs: [reward] } }).toThrow(sentence);
});

test("a pattern that is no expression, and other rows or options that do not fit", async () => {
  const pattern = { method: { name: "grpo", reward_funcs: "pattern" }, data: rowsOf([{ prompt: "p", pattern: "(" }]) };
  await expect(train({ ...run, ...pattern }, { out: fresh() })).rejects.toThrow(
    'line 1: "pattern": expected a regular expression, got "("',
  );
  await refused({ prompt: "" }).toThrow('line 2: "prompt"');
  await refused({ prompt: "p" }, { batch: 4 }).toThrow("batch: expected a multiple of num_generations (8), got 4");
  await refused({ prompt: "p" }, { validation: 0.1 }).toThrow("grpo has no held-out loss");
  await refused({ prompt: "p" }, { packing: true }).toThrow("packing: a row holds one completion");
  await refused({ prompt: "p" }, { lora: undefined, train: ["*"] }).toThrow(
    "grpo trains only LoRA layers of an existing model",
  );
});
