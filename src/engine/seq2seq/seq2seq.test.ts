import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { load, type Model, type Receipt } from "../../index.ts";
import { receiptSchema } from "../../ledger/receipt.ts";

interface Answer {
  text: string;
  ids: number[];
  answer: number[];
  decoded: string;
}
const fixtures = fileURLToPath(new URL("../../models/fixtures", import.meta.url));
/** Results of transformers: tools/reference/t5.py. */
const answersOf = (name: string): Answer[] =>
  JSON.parse(readFileSync(path.join(fixtures, name.replace("/model.gguf", ""), "seq2seq.json"), "utf8")).answers;

const folder = mkdtempSync(path.join(tmpdir(), "modicum-seq2seq-"));
vi.stubEnv("MODICUM_HOME", folder);

const models = new Map<string, Promise<Model>>();
function open(name: string): Promise<Model> {
  const known = models.get(name) ?? load(path.join(fixtures, name), { quant: "f32" });
  models.set(name, known);
  return known;
}
afterAll(async () => {
  for (const model of models.values()) (await model).dispose();
  rmSync(folder, { recursive: true });
});

describe.each(["t5", "t5-gated", "t5-gated/model.gguf", "t5-plain/model.gguf"])(
  "%s answers texts as transformers does",
  (name) => {
    test.each(answersOf(name))("$text", async ({ text, ids, answer, decoded }) => {
      const model = await open(name);
      const got = await model.complete(text, { maxTokens: answer.length });
      expect(got.tokens.map(({ id }) => id)).toEqual(answer);
      expect(got.text).toBe(decoded);
      expect(got.finishReason).toBe("length");
      expect(() => receiptSchema.parse(got.receipt)).not.toThrow();
      expect(got.receipt.tokens).toMatchObject({ prompt: ids.length, completion: answer.length });
      expect(got.receipt.flops.spent).toBeGreaterThan(0);
      expect(got.receipt.flops.spent).toBe(got.receipt.flops.dense);
    });
  },
);

test("with weights in 8 bits, the tied table too", async () => {
  const [{ text, answer }] = answersOf("t5") as [Answer];
  using model = await load(path.join(fixtures, "t5"), { quant: "q8" });
  const got = await model.complete(text, { maxTokens: answer.length });
  expect(got.tokens.map(({ id }) => id)).toEqual(answer);
});

test("two texts side by side do not disturb each other", async () => {
  const model = await open("t5-gated");
  const answers = answersOf("t5-gated");
  const got = await Promise.all(answers.map(({ text }) => model.complete(text, { maxTokens: 20 })));
  expect(got.map(({ text }) => text)).toEqual(answers.map(({ decoded }) => decoded));
});

test("an end token ends the answer, and so does the context", async () => {
  const model = await open("t5-gated");
  const ended = await model.complete("on", { logitBias: { 1: 100 } });
  expect(ended).toMatchObject({ text: "", finishReason: "stop", tokens: [{ id: 1 }] });
  const long = await model.complete("on", { logitBias: { 1: -100 } });
  expect(long.finishReason).toBe("length");
  expect(long.tokens.length).toBe(64);
});

test("a signal stops it between two tokens, and what it spent is billed", async () => {
  const model = await open("t5-gated");
  const controller = new AbortController();
  const bills: Receipt[] = [];
  const onStopped = (receipt: Receipt) => void bills.push(receipt);
  const answer = model.generate("on", { signal: controller.signal, onStopped, logitBias: { 1: -100 } });
  await answer.next();
  controller.abort();
  await expect(answer.next()).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
  const one = await model.complete("on", { logitBias: { 1: -100 }, maxTokens: 1, onStopped });
  expect(bills.map(({ tokens, flops }) => ({ tokens, flops }))).toEqual([
    { tokens: one.receipt.tokens, flops: one.receipt.flops },
  ]);
});

describe("what it cannot do ends in a sentence", () => {
  const error = (message: RegExp) =>
    expect.objectContaining({ name: "UserError", message: expect.stringMatching(message) });

  test("a chat, a batch, an embedding, a text beyond the context", async () => {
    const model = await open("t5");
    await expect(model.complete([{ role: "user", content: "on" }])).rejects.toThrow(
      error(/expected a text, not a chat's turns/),
    );
    await expect(model.completeAll([{ prompt: "on" }])).rejects.toThrow(error(/turns one text into another/));
    await expect(model.embed(["on"])).rejects.toThrow(error(/generates text; expected an encoder/));
    await expect(model.complete("a1".repeat(40))).rejects.toThrow(
      error(/the text has 82 tokens, but .* reads at most 64/),
    );
  });

  test("a saving", async () => {
    await expect(load(path.join(fixtures, "t5"), { save: ["xattention"] })).rejects.toThrow(
      error(/has an encoder, which has no seams for savings: "xattention" cannot act/),
    );
  });
});
