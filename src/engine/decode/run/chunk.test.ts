import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { evalCost } from "../../../graph/index.ts";
import { openDecoder } from "../../../models/registry.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { chunkAfter, PREFILL_CHUNK } from "./chunk.ts";
import { Engine } from "./engine.ts";

test("chunks get shorter as the past gets longer, so that none takes longer than the first", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-chunk-"));
  const file = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));
  const { decoder, weights } = await openDecoder(openCheckpoint(file), folder, "f32");
  using engine = await Engine.create(decoder, weights);
  const { programs } = engine;
  const flops = (tokens: number, past: number) => evalCost(programs.stackCost, { batch: 1, tokens, past, windowPast: past }).flops; // biome-ignore format: one line
  // The cost of attention to earlier tokens is weighted by its run time.
  const cost = (tokens: number, past: number) => 1.4 * flops(tokens, past) - 0.4 * flops(tokens, 0);
  const first = cost(PREFILL_CHUNK, 0);
  let before = PREFILL_CHUNK;
  for (let past = 0; past < 2000; past += before) {
    const tokens = chunkAfter(programs, past);
    expect(tokens).toBeLessThanOrEqual(before);
    expect(tokens % 32).toBe(0);
    if (tokens > 32) expect(cost(tokens, past)).toBeLessThanOrEqual(first);
    // The chunk is as long as possible.
    if (tokens < PREFILL_CHUNK) expect(cost(tokens + 32, past)).toBeGreaterThan(first);
    before = tokens;
  }
  expect(before).toBeLessThan(PREFILL_CHUNK / 2);
  expect(chunkAfter(programs, 1e9)).toBe(32);
  rmSync(folder, { recursive: true });
});
