import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { load, type TrainInput, train } from "../../../index.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { readMetrics } from "../../session/metrics.ts";
import { rateAt } from "../../step/schedule.ts";
import { completeOptions } from "../complete.ts";
import { ul2r } from "./ul2r.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-ul2r-"));
afterAll(() => rmSync(folder, { recursive: true }));

const text = path.join(folder, "text.txt");
writeFileSync(text, "abc=abc;bd=bd;cab=cab;".repeat(60));

const architecture = {
  ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1 },
  ...{ intermediate_size: 24, max_position_embeddings: 64, rms_norm_eps: 1e-5 },
};
const sizes = { data: text, tokens: 24, batch: 2, steps: 4, saveEvery: 2, evaluateEvery: 4, evaluateBatches: 1 };
const method = "ul2r:sentinels=8";
const out = (name: string) => path.join(folder, name);

test("the presets' rate is 1e-4 at the start, 5.05e-5 half-way and 1e-6 at the end; the user's overrides it", () => {
  const { optimizer, schedule } = completeOptions({ method: "ul2r", architecture, data: text });
  const rate = (step: number) => optimizer.lr * rateAt(schedule, step, 1000);
  for (const [step, value] of [
    [0, 1e-4],
    [500, 5.05e-5],
    [1000, 1e-6],
  ] as const)
    expect(Math.abs(rate(step) / value - 1), `${step}`).toBeLessThan(1e-9);
  expect(completeOptions({ method: "ul2r", architecture, data: text, optimizer: { lr: 3e-4 } }).optimizer.lr).toBe(
    3e-4,
  );
});

test("by default inputs are causal, as at inference", () => {
  expect(ul2r.options.parse({})).toMatchObject({ mask: "causal" });
});

describe("an existing base", async () => {
  await train({ ...sizes, architecture }, { out: out("base") });
  const result = await train({ ...sizes, model: out("base"), method }, { out: out("tuned") });

  test("has its old rows, new ones near their mean, and a tokenizer with the modes and sentinels", () => {
    const rows = (name: string) => {
      const checkpoint = openCheckpoint(out(name));
      const tensor = checkpoint.tensors.get("model.embed_tokens.weight")!;
      return { shape: tensor.shape, values: checkpoint.floats(tensor) };
    };
    const [base, tuned] = [rows("base"), rows("tuned")];
    expect(tuned.shape).toEqual([base.shape[0]! + 3 + 8, 32]);
    // Four steps at a rate of 1e-4 move no weight by more than 4e-4.
    for (const [i, value] of base.values.entries()) expect(Math.abs(value - tuned.values[i]!)).toBeLessThan(5e-4);
    const added = tuned.values.subarray(base.values.length);
    const deviation = Math.sqrt(added.reduce((sum, value) => sum + value ** 2, 0) / added.length);
    expect(deviation).toBeGreaterThan(0.01);
    expect(deviation).toBeLessThan(0.04);
    const config = JSON.parse(readFileSync(path.join(out("tuned"), "config.json"), "utf8")) as { vocab_size: number };
    expect(config.vocab_size).toBe(tuned.shape[0]);
  });

  test("ends with a receipt that names the method, and resumes to the same losses after a stop", async () => {
    expect(result.receipt.method).toBe(method);
    const controller = new AbortController();
    const onStep = ({ step }: { step: number }) => step === 3 && controller.abort();
    const stopped: TrainInput = { ...sizes, model: out("base"), method };
    await expect(train(stopped, { out: out("halves"), onStep, signal: controller.signal })).rejects.toThrow();
    await train(stopped, { out: out("halves"), reuse: "resume" });
    const losses = (name: string) => readMetrics(out(name)).map(({ loss, validation }) => [loss, validation]);
    expect(losses("halves")).toEqual(losses("tuned"));
  });

  test("fills in blanks, and reads a text in a mode", async () => {
    using model = await load(out("tuned"));
    const { text: filled, blanks } = await model.infill("abc=<extra_id_0>bc;b<extra_id_1>=bd;", { maxTokens: 12 });
    expect(blanks).toHaveLength(2);
    expect(filled).toBe(`abc=${blanks[0]}bc;b${blanks[1]}=bd;`);
    const seen = (options: object) => model.complete("abc", { raw: true, maxTokens: 1, promptLogprobs: 0, ...options });
    const ids = async (options: object) => (await seen(options)).prompt!.map(({ id }) => id);
    expect(await ids({ mode: "S2S" })).toEqual([model.language.tokenizer.specialId("[S2S]"), ...(await ids({}))]);
    await expect(model.infill("no blank")).rejects.toThrow("the prompt has no blank");
    await expect(model.complete([1, 2], { infill: true })).rejects.toThrow("`infill` and `mode` need a text");
  });

  test("a model without sentinels does not fill in", async () => {
    using model = await load(out("base"));
    await expect(model.infill("a<extra_id_0>")).rejects.toThrow("the model has no token <extra_id_0>");
  });
});

test("a special token to replace must exist", async () => {
  const run = train({ ...sizes, architecture, method: `${method},reuse=<none>` }, { out: out("unknown") });
  await expect(run).rejects.toThrow('the model has no special token "<none>"');
});

test("rows that may need too many sentinels are refused, with the number", async () => {
  const few = train({ ...sizes, architecture, method: "ul2r:sentinels=2" }, { out: out("few") });
  await expect(few).rejects.toThrow(/rows of 24 tokens have up to \d+ hidden spans .* set sentinels=\d+$/);
});

test("with lora layers, the adapter has rows of its own for new tokens, and is served", async () => {
  await train({ ...sizes, model: out("base"), lora: { rank: 2 }, method }, { out: out("lora") });
  using base = await load(out("base"));
  using model = await load(out("base"), { adapter: out("lora") });
  const { vocabulary } = base.language.decoder.config;
  expect(model.language.tokenizer.specialId("[S2S]")).toBe(vocabulary);
  expect(model.language.decoder.config.vocabulary).toBe(vocabulary + 11);
  expect((await model.infill("ab<extra_id_0>", { maxTokens: 2 })).blanks).toHaveLength(1);
  await expect(load(out("base"), { adapters: { own: out("lora") } })).rejects.toThrow(
    'the adapter "own" has its own tokens',
  );
});

test("lora layers are trained if the tokens replace others, and served with the new names", async () => {
  const spare = Array.from({ length: 11 }, (_, i) => `<spare_${i}>`);
  // A model with spare special tokens.
  const tokenizer = path.join(out("base"), "tokenizer.json");
  const contents = JSON.parse(readFileSync(tokenizer, "utf8")) as { added_tokens: { id: number }[] };
  const end = contents.added_tokens.at(-1)!;
  const made = out("spare");
  await train({ ...sizes, architecture: { ...architecture, vocab_size: end.id + 12 } }, { out: made });
  const added = spare.map((content, i) => ({ ...end, id: end.id + 1 + i, content }));
  writeFileSync(path.join(made, "tokenizer.json"), JSON.stringify({ ...contents, added_tokens: [end, ...added] }));
  const reuse = `${method},reuse=${spare.join("+")}`;
  await train({ ...sizes, model: made, lora: { rank: 2 }, method: reuse }, { out: out("adapter") });
  using model = await load(made, { adapter: out("adapter") });
  expect(model.language.tokenizer.specialId("[S2S]")).toBe(end.id + 1);
  expect(model.language.tokenizer.specialId("<extra_id_7>")).toBe(end.id + 11);
  expect((await model.infill("ab<extra_id_0>", { maxTokens: 2 })).blanks).toHaveLength(1);
});
