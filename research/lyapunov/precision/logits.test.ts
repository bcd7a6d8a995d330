import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import type { PrecisionPolicy } from "../../../src/graph/index.ts";
import { openDecoder } from "../../../src/models/registry.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { divergences } from "./divergence.ts";
import { withRuns } from "./logits.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-precision-"));
afterAll(() => rmSync(folder, { recursive: true }));
const ids = Array.from({ length: 24 }, (_, i) => 3 + ((i * i + 5 * i) % 67));

test.each(["mamba2", "gpt2"])("%s diverges little in mixed precision, and not from itself", async (name) => {
  const fixture = fileURLToPath(new URL(`../../../src/models/fixtures/${name}`, import.meta.url));
  const model = await openDecoder(openCheckpoint(fixture), path.join(folder, name), "f32");
  const { vocabulary } = model.decoder.config;
  const logits = (precision: PrecisionPolicy) => withRuns(model, precision, async (run) => (await run(ids)).logits);
  const plain = await logits("fp32");
  expect(plain.length).toBe(ids.length * vocabulary);
  expect(divergences(plain, await logits("fp32"), vocabulary, 1)[0]).toEqual({ kl: 0, logit: 0, agreement: 1 });
  const [mixed, half, pure] = await Promise.all(
    (["amp-bf16", "amp-fp16", "pure-bf16"] as const).map(
      async (policy) => divergences(plain, await logits(policy), vocabulary, 1).at(0)!,
    ),
  );
  expect(half!.logit).toBeGreaterThan(0);
  expect(mixed!.logit).toBeGreaterThan(half!.logit);
  expect(pure!.logit).toBeGreaterThan(mixed!.logit);
  expect(pure!.logit).toBeLessThan(0.5);
});
