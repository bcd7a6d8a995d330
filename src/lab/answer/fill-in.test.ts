import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { load } from "../../index.ts";
import { TINY, tinyWith } from "../../serve/serve.testing.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import type { GenerationItem } from "../item.ts";
import { openAnswerer } from "./answer.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-fill-in-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a model that fills in reads the text after the answer, and no other model does", async () => {
  const filling = path.join(folder, "filling.gguf");
  const id = (name: string, value: number) => ({
    [`tokenizer.ggml.${name}_token_id`]: ["uint32", value] as [type: "uint32", value: number],
  });
  writeFileSync(filling, tinyWith({ ...id("fim_pre", 40), ...id("fim_suf", 41), ...id("fim_mid", 42) }));
  const item: GenerationItem = {
    ...{ kind: "generation", id: "0", prompt: "abc", suffix: "xyz", stop: [], maxTokens: 6, answers: [] },
  };
  for (const file of [filling, TINY[0]!.slice("tiny=".length)]) {
    using answerer = await openAnswerer({ source: await resolveModel(file), quant: "auto", truncate: undefined });
    using model = await load(file);
    const suffix = file === filling ? "xyz" : undefined;
    const expected = await model.complete("abc", { raw: true, suffix, maxTokens: 6, repetitionDetection: false });
    const { answer, flops } = await answerer.plan(item)!();
    expect(answer).toEqual({ text: expected.text });
    expect(flops.dense).toBe(expected.receipt.flops.dense);
  }
});
