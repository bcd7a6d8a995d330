import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { openDecoder } from "../../models/registry.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { DecoderStack } from "./decoder-stack.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-decoder-stack-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("routers' losses weigh all positions of samples equally, and padding not at all", async () => {
  const fixture = fileURLToPath(new URL("../../models/fixtures/jetmoe", import.meta.url));
  const stack = new DecoderStack((await openDecoder(openCheckpoint(fixture), folder, "f32")).decoder);
  const labels = Int32Array.from([-1, 5, 6, -1, 4, -1, -1, -1]);
  const batch = { rows: 2, tokens: 4, ids: new Int32Array(8), labels, labelled: 3, samples: 2 };
  const routed = (documents?: Int32Array) => [
    ...stack.inputs({ ...batch, ...(documents && { documents }) })["routed"]!.values,
  ];
  expect(routed()).toEqual([0.25, 0.25, 0.25, 0, 0.25, 0, 0, 0]);
  expect(routed(Int32Array.from([0, 0, 0, 1, 0, -1, -1, -1]))).toEqual(
    [1, 1, 1, 1, 1, 0, 0, 0].map((one) => Math.fround(one / 5)),
  );
});
