/** Completions at a position, with small random models: one with fill-in tokens, one without. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, type Model, type Receipt } from "../index.ts";
import { TINY, tinyWith } from "../serve/serve.testing.ts";
import { completeAt, promptAt } from "./complete-at.ts";

const FIM = { prefix: 40, suffix: 41, middle: 42 };
const folder = mkdtempSync(path.join(tmpdir(), "modicum-complete-"));
let [plain, filling]: [Model, Model] = [] as never;
beforeAll(async () => {
  const id = (name: string, value: number) => ({
    [`tokenizer.ggml.${name}_token_id`]: ["uint32", value] as [type: "uint32", value: number],
  });
  const file = path.join(folder, "filling.gguf");
  const fields = { ...id("fim_pre", FIM.prefix), ...id("fim_suf", FIM.suffix), ...id("fim_mid", FIM.middle) };
  writeFileSync(file, tinyWith(fields));
  plain = await load(TINY[0]!.slice("tiny=".length));
  filling = await load(file);
});
afterAll(() => {
  plain.dispose();
  filling.dispose();
  rmSync(folder, { recursive: true });
});

const TEXT = "once upon\na time\nthere was";
const place = { line: 2, column: 3 };

describe("the input of the model", () => {
  test("is the text before and after the place, or only before it", () => {
    expect(promptAt(filling.language, TEXT, place)).toMatchObject({
      prompt: "once upon\na ",
      suffix: "time\nthere was",
    });
    expect(promptAt(plain.language, TEXT, place)).toMatchObject({ prompt: "once upon\na ", suffix: undefined });
  });

  test("leaves room in a short context", async () => {
    const long = "once upon a time\n".repeat(2000);
    const { receipt } = await filling.completeAt(long, { line: 1000, column: 3, maxTokens: 2 });
    expect(receipt.tokens.prompt).toBeLessThan(filling.language.decoder.config.context * 0.8);
  });

  test("is refused at the beginning of a text by a model that does not fill in", async () => {
    const start = { line: 1, column: 1 };
    await expect(plain.completeAt(TEXT, start)).rejects.toThrow(/there is no text before the cursor, and .* cannot/);
    expect((await filling.completeAt(TEXT, { ...start, maxTokens: 1 })).receipt.tokens.completion).toBe(1);
  });
});

/** Biases that keep an answer and its line from ending. */
function unending({ language }: Model): Record<string, number> {
  const lineBreak = language.encode("\n", true).at(-1)!;
  return Object.fromEntries([...language.tokenizer.stopIds, lineBreak].map((id) => [id, -100]));
}

/** A model with biased sampling. */
const biased = (model: Model, logitBias = unending(model)): Pick<Model, "language" | "generate"> => ({
  language: model.language,
  generate: (prompt, options) => model.generate(prompt, { ...options, logitBias }),
});

test("is the model's greedy continuation there, with its receipt", async () => {
  const endless = biased(filling);
  const { text, stopped, finishReason, receipt } = await completeAt(endless, TEXT, { ...place, maxTokens: 5 });
  const options = { raw: true, suffix: "time\nthere was", maxTokens: 5, logitBias: unending(filling) };
  const expected = await filling.complete("once upon\na ", options);
  expect(expected.text.startsWith(text)).toBe(true);
  expect([stopped, finishReason]).toEqual([false, expected.finishReason]);
  expect(receipt.tokens).toMatchObject({ prompt: expected.receipt.tokens.prompt, completion: 5 });
});

test("stops the model where the line ends, and is billed for what ran", async () => {
  const [end] = plain.language.encode("\n", true).slice(-1);
  const receipts: Receipt[] = [];
  const options = { ...place, maxTokens: 50, onStopped: (receipt: Receipt) => void receipts.push(receipt) };
  const { text, finishReason, receipt } = await completeAt(biased(plain, { [end!]: 100 }), TEXT, options);
  expect([text, finishReason]).toEqual(["", "stop"]);
  expect(receipt.tokens.completion).toBeLessThan(4);
  expect(receipt.flops.spent).toBeGreaterThan(0);
  // The caller did not stop the answer, so no cost is reported.
  expect(receipts).toEqual([]);
});

test("passes the receipt of a stopped completion to onStopped", async () => {
  const endless = biased(plain);
  const controller = new AbortController();
  const receipts: Receipt[] = [];
  const stopping = completeAt(
    {
      ...endless,
      async *generate(...args) {
        for await (const piece of endless.generate(...args)) {
          yield piece;
          controller.abort();
        }
      },
    },
    TEXT,
    {
      ...{ ...place, maxTokens: 50, signal: controller.signal },
      onStopped: (receipt) => void receipts.push(receipt),
    },
  );
  await expect(stopping).rejects.toThrow(/abort/i);
  expect(receipts.map(({ tokens }) => tokens.completion)).toEqual([1]);
});

test.each([
  [{ line: 9, column: 1 }, "there is no line 9; the last line is 3"],
  [{ line: 0, column: 1 }, "completeAt's options.line: expected a whole number of at least 1"],
  [{ ...place, maxTokens: 0 }, "completeAt's options.maxTokens:"],
])("refuses %j", async (options, sentence) => {
  await expect(plain.completeAt(TEXT, options)).rejects.toThrow(sentence);
});
