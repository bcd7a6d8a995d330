import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { graphCost } from "../../graph/cost.ts";
import { evalDim } from "../../graph/dim.ts";
import { load } from "../../index.ts";
import { traceLayers } from "../../models/programs/segments.ts";
import { openDecoder } from "../../models/registry.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { NOWHERE } from "../kinds/kind.ts";

const file = fileURLToPath(new URL("../../models/fixtures/mixtral/model.gguf", import.meta.url));
const [LAYERS, EXPERTS, ACTIVE] = [2, 4, 2];

test("a receipt counts the experts that ran for each token, of all that there are", async () => {
  using model = await load(file);
  const { receipt } = await model.complete([5, 9, 13, 21, 40, 7], { maxTokens: 5, temperature: 0 });
  const { prompt, completion } = receipt.tokens;
  // After the last layer's attention, only sampled tokens run.
  const mixtures = (prompt + completion - 1) * (LAYERS - 1) + completion;
  expect(receipt.work!["experts"]).toEqual({ dense: EXPERTS * mixtures, run: ACTIVE * mixtures });
  expect(receipt.flops.saved).toBe(0);
});

test("one token reads its experts' matrices, many tokens read all experts'", async () => {
  const { decoder, weights } = await openDecoder(openCheckpoint(file), NOWHERE, "f32");
  const { read } = graphCost(
    weights.imagined(() => traceLayers(decoder, 0, 1)),
    (op) => op === "groupedLinear",
  );
  const bytes = (tokens: number) => evalDim(read, { batch: 1, tokens });
  const matrices = 4 * 3 * 40 * 32;
  const rows = 4 * (32 + 40) * ACTIVE + 2 * 8 * EXPERTS;
  expect(bytes(1)).toBe(ACTIVE * matrices + rows);
  expect(bytes(64)).toBe(EXPERTS * matrices + 64 * (rows - 2 * 8 * EXPERTS) + 2 * 8 * EXPERTS);
});
