/** A model with layers that have their own inputs or use earlier layers' keys: its stored state, and early exits. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { KvCache } from "../../../models/state/cache.ts";
import { sequenceBytes } from "../../../models/state/state-groups.ts";
import { checkFill } from "../../../savings/depth/checks.ts";
import { densePlan, type Plan, type StateFill } from "../../../savings/plan.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Engine } from "./engine.ts";
import { begin, GO_ON, leave, run, stepping, worst } from "./exits.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-shared-keys-"));
const fixture = fileURLToPath(new URL("../../../models/fixtures/gemma4-e2b", import.meta.url));

/** Layers 4 to 7 attend to the keys of layers 2 (a window) and 3. */
let engine: Engine;
beforeAll(async () => {
  const { decoder, weights } = await openDecoder(openCheckpoint(fixture), folder, "f32");
  engine = await Engine.create(decoder, weights);
});
afterAll(() => {
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const random = seededRandom(3);
const ids = (count: number) => Array.from({ length: count }, () => 3 + Math.floor(69 * random()));
const prompt = ids(30);
const next = ids(12);

/** Every token exits after `after` layers, except every third one and the last. */
function leaving(after: number, fill: StateFill): Plan {
  const goesOn = (place: number) => place % 3 === 2 || place === next.length - 1;
  const decide = ({ tokens }: { tokens: number }) => (goesOn(tokens - prompt.length) ? GO_ON : leave(fill));
  return stepping([{ after, scope: "step", decide }]);
}

test("layers without keys of their own keep none, and read the owner's", () => {
  const { config } = engine.programs.decoder;
  // Two layers with a head of 16 and a window, two with a head of 32 and no window; keys and values in float32.
  expect(sequenceBytes(config, 100)).toBe(100 * 2 * 4 * (2 * 16 + 2 * 32));
  using cache = new KvCache(config, 2, 128);
  for (const [layer, owner] of [
    [4, 2],
    [5, 3],
    [6, 2],
    [7, 3],
  ] as const)
    expect(cache.layer(layer).key.buffer).toBe(cache.layer(owner).key.buffer);
});

test.each([1, 3, 5])("tokens that left after %d layers and were recomputed leave dense's logits", async (after) => {
  const dense = await run({ engine }, prompt, next, densePlan);
  const { logits, spent } = await run({ engine }, prompt, next, leaving(after, "recompute"));
  for (const at of [0, 3, 6, next.length]) expect(worst(logits[at]!, dense.logits[at]!)).toBeLessThan(1e-4);
  expect(worst(logits[1]!, dense.logits[1]!)).toBeGreaterThan(1e-3);
  expect(spent.work["layers"]!.run).toBe(spent.work["layers"]!.dense);
});

test("a token that left where all deeper layers share keys left nothing out, and its fill costs nothing", async () => {
  const dense = await run({ engine }, prompt, next, densePlan);
  const { logits, spent } = await run({ engine }, prompt, next, leaving(5, "copy-hidden"));
  for (const at of [3, 6, next.length]) expect(worst(logits[at]!, dense.logits[at]!)).toBeLessThan(1e-4);
  expect(spent.flops.overhead).toBe(0);
  const filled = await run({ engine }, prompt, next, leaving(1, "copy-hidden"));
  expect(filled.spent.flops.overhead).toBeGreaterThan(0);
});

test("drafts are verified by the layers that share keys", async () => {
  const dense = await run({ engine }, prompt, next, densePlan);
  engine.forget();
  const row = await begin({ engine }, prompt, leaving(5, "verify"));
  const kinds: string[] = [];
  for (const token of next.slice(0, 3)) {
    const [stepped] = await engine.stepAll([{ ...row, token }]);
    kinds.push(stepped!.kind);
    if (stepped?.kind !== "checked") continue;
    expect(stepped.logits.length).toBe(3);
    for (const [i, logits] of stepped.logits.entries()) expect(worst(logits, dense.logits[i + 1]!)).toBeLessThan(1e-4);
  }
  expect(kinds).toEqual(["draft", "draft", "checked"]);
  engine.release(row.slot);
});

test("no fill leaves keys out that a deeper layer has from above the exit", () => {
  const { decoder } = engine.programs;
  for (const layer of [3, 5])
    expect(() => checkFill("exit", "none", layer, decoder)).toThrow(
      "exit: fill=none is for layers with their own keys and values, but some layers of this model share them",
    );
  checkFill("exit", "none", 1, decoder);
  checkFill("exit", "recompute", 5, decoder);
});
