import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { gemma4 } from "../../models/architectures/gemma4.ts";
import { Stack } from "../../models/programs/stack.testing.ts";
import { openDecoder } from "../../models/registry.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { isHuggingFace, widerCheckpoint } from "./wider-checkpoint.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-wider-"));
afterAll(() => rmSync(folder, { recursive: true }));

const fixture = fileURLToPath(new URL("../../models/fixtures/gemma4-e2b", import.meta.url));

test("new tokens have rows in the table of the layers' own inputs; the others keep their logits", async () => {
  const base = openCheckpoint(fixture);
  if (!isHuggingFace(base)) throw new Error("the fixture is a GGUF");
  const wider = widerCheckpoint(base, gemma4.tensors(base), { folder, ids: [72, 73], rows: 2 }, 1);
  const logitsOf = async (checkpoint: typeof base, name: string, ids: readonly number[]) => {
    const { decoder, weights } = await openDecoder(checkpoint, path.join(folder, name), "f32");
    using stack = await Stack.compile(decoder, weights, "whole");
    return await stack.run(ids);
  };
  const [before, after] = [await logitsOf(base, "base", [5, 9]), await logitsOf(wider, "wider", [5, 9, 73])];
  expect(after.length).toBe(3 * 74);
  for (const row of [0, 1])
    for (let id = 0; id < 72; id++) expect(after[row * 74 + id]).toBeCloseTo(before[row * 72 + id]!, 4);
  expect(after.every(Number.isFinite)).toBe(true);
});
