import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { PREFILL_CHUNK } from "../engine/decode/run/chunk.ts";
import { PrefixFolder } from "../engine/decode/state/prefix-folder.ts";
import { jsonOf, post, serveModels } from "./serve.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-cache-disk-"));
afterAll(() => rmSync(folder, { recursive: true }));

const system = "You answer in plain words, and never make anything up. ".repeat(30);
const prefixes = () => new PrefixFolder(folder, 1e9);

test("cold, warm, and from disk after a restart: the same tokens and log-probabilities", async () => {
  const ask = async ({ url }: { url: string }, fields: object = {}) => {
    const messages = [
      { role: "system", content: system },
      { role: "user", content: "What is rain?" },
    ];
    const options = { model: "smollm2", temperature: 0, max_tokens: 8, logprobs: true, deterministic: true };
    const { choices, receipt } = await jsonOf(
      post({ url }, "/v1/chat/completions", { messages, ...options, ...fields }),
    );
    return { answer: choices[0].logprobs, cached: receipt.tokens.cached, disk: receipt.work.diskTokens };
  };
  const first = await serveModels(["smollm2"], { prefixes: prefixes() });
  const cold = await ask(first);
  expect([cold.cached, cold.disk]).toEqual([0, undefined]);
  expect(await ask(first)).toEqual({ answer: cold.answer, cached: PREFILL_CHUNK, disk: undefined });
  await first.stop(1000);
  expect(readdirSync(folder)).toHaveLength(1);
  const second = await serveModels(["smollm2"], { prefixes: prefixes() });
  expect(await ask(second, { cache_prompt: false })).toEqual({ ...cold });
  await second.stop(1000);
  const third = await serveModels(["smollm2"], { prefixes: prefixes() });
  const disk = { dense: 0, run: PREFILL_CHUNK };
  expect(await ask(third)).toEqual({ answer: cold.answer, cached: PREFILL_CHUNK, disk });
  await third.stop(1000);
});
