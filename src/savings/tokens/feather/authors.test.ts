/** Against the kept tokens and logits of the authors' own code, which runs the same weights. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Meter } from "../../../engine/bill/meter.ts";
import { Engine } from "../../../engine/decode/run/engine.ts";
import { Recipes } from "../../../engine/decode/run/recipes.ts";
import { promptOfSpans } from "../../../engine/decode/run/spans.ts";
import { tinyLlama } from "../../../models/authors-llama.testing.ts";
import { openDecoder } from "../../../models/registry.ts";
import type { KvGroup } from "../../../models/state/kv-group.ts";
import { authorsFixture, farthest, numbers } from "../../../util/authors.testing.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { parseRecipe } from "../../recipe.ts";

interface Case {
  after: number[];
  /** The share of visual tokens that go. */
  ratio: number;
  rotary: boolean;
  /** Of the grid; 0 if there is none. */
  stride: number;
  /** By stage: cells. */
  kept: number[][];
  logits: number[];
}
const fixture = authorsFixture<{ layers: number; side: number; cases: Case[] }>("authors.json", import.meta.url);
const cells = fixture.side ** 2;
const folder = mkdtempSync(join(tmpdir(), "modicum-authors-"));

let engine: Engine;
let recipes: Recipes;
beforeAll(async () => {
  const file = tinyLlama(folder, fixture.layers);
  const { decoder, weights } = await openDecoder(openCheckpoint(file), folder, "f32");
  engine = await Engine.create(decoder, weights);
  recipes = new Recipes({ decoder, hash: async () => "" }, (plan) => engine.prepare(plan));
});
afterAll(() => {
  recipes[Symbol.dispose]();
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** The prompt's logits, and the cells that each layer holds. */
async function run(recipe: string) {
  const { hidden, layers } = engine.programs.decoder.config;
  const image = {
    embeddings: numbers(77, cells * hidden),
    contentHash: "authors",
    grid: [fixture.side, fixture.side] as const,
  };
  const { prompt, embeddings, visual } = promptOfSpans([[3], image, [20, 21, 22, 23]], hidden);
  using lease = await recipes.use(parseRecipe([recipe]));
  const plan = lease.plan(prompt.length, visual);
  engine.forget();
  const slot = engine.acquireEmpty(prompt, plan);
  let logits = new Float32Array();
  try {
    for await (const some of engine.chunks(slot, prompt, { plan, meter: new Meter(engine.programs), embeddings }))
      if (some) logits = some.slice();
    const held = Array.from({ length: layers }, (_, layer) => {
      const group = slot.group(layer) as KvGroup;
      const positions = Array.from({ length: group.length }, (_, entry) => group.position(entry));
      return positions.filter((at) => at >= 1 && at <= cells).map((at) => at - 1);
    });
    return { logits, held };
  } finally {
    engine.release(slot);
  }
}

const recipeOf = ({ after: [first, second], ratio, rotary, stride }: Case): string =>
  [
    `feather:after=${first},ratio=${ratio},mode=${rotary ? "fastv" : "feather"},stride=${stride},score=image`,
    ...(second === undefined ? [] : [`second=${second}`]),
  ].join();

describe(`visual tokens as ${fixture.repository} prunes them`, () => {
  test.each(fixture.cases)("before layers $after: $ratio gone, rotary $rotary, stride $stride", async (of) => {
    const { logits, held } = await run(recipeOf(of));
    for (const [stage, after] of of.after.entries()) expect(held[after]).toEqual(of.kept[stage]);
    expect(held[of.after[0]! - 1]!.length).toBe(cells);
    expect(farthest(logits, of.logits)).toBeLessThanOrEqual(1e-5);
  });
});
