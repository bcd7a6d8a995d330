import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Meter } from "../src/engine/bill/meter.ts";
import { Engine } from "../src/engine/decode/run/engine.ts";
import { Recipes } from "../src/engine/decode/run/recipes.ts";
import { promptOfSpans } from "../src/engine/decode/run/spans.ts";
import { parseRecipe } from "../src/savings/recipe.ts";
import { normals } from "../src/util/normals.ts";
import { seededRandom } from "../src/util/random.ts";
import type { Bench, Side } from "./harness.ts";
import { openRandom } from "./random-model.ts";

const [VOCABULARY, HIDDEN, GRID] = [64, 512, 24];

/** The weights are random, since with these recipes a prompt's time does not depend on their values. */
const DECODER = {
  ...{ model_type: "llama", hidden_size: HIDDEN, num_hidden_layers: 8, num_attention_heads: 8, num_key_value_heads: 8 },
  ...{ intermediate_size: 1408, max_position_embeddings: 1024, rms_norm_eps: 1e-5 },
};

/** Milliseconds of a prompt of nine words around an image's rows, after its encoder. */
function prefill(recipe: string): Side {
  const folder = mkdtempSync(join(tmpdir(), "modicum-bench-vision-"));
  const embeddings = Float32Array.from({ length: GRID ** 2 * HIDDEN }, normals(seededRandom(1)));
  const image = { embeddings, contentHash: "bench vision", grid: [GRID, GRID] as const };
  const prompt = promptOfSpans([[1, 2, 3], image, [4, 5, 6, 7, 8, 9]], HIDDEN);
  let engine: Engine | undefined;
  let recipes: Recipes | undefined;
  return {
    name: recipe || "modicum dense",
    async start() {
      const { decoder, weights } = await openRandom(folder, DECODER, VOCABULARY);
      const created = await Engine.create(decoder, weights);
      engine = created;
      recipes = new Recipes({ decoder, hash: async () => "" }, (plan) => created.prepare(plan));
    },
    async run() {
      using lease = await recipes!.use(parseRecipe(recipe ? [recipe] : []));
      const plan = lease.plan(prompt.prompt.length, prompt.visual);
      engine!.forget();
      const slot = engine!.acquireEmpty(prompt.prompt, plan);
      const terms = { plan, meter: new Meter(engine!.programs), embeddings: prompt.embeddings };
      const started = performance.now();
      for await (const _ of engine!.chunks(slot, prompt.prompt, terms));
      const ms = performance.now() - started;
      engine!.release(slot);
      return ms;
    },
    async stop() {
      recipes?.[Symbol.dispose]();
      engine?.[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

const bench = (name: string, recipe: string): Bench => ({
  ...{ name, model: "a random llama", unit: "ms", moreIsBetter: false, lifetime: "kept" },
  sides: () => ({ ours: prefill(recipe), theirs: prefill("") }),
});

/** Compares a prompt with 24 × 24 visual tokens, of which 70 % stop after layers 2 and 4 of 8, with dense. */
export const vision: Bench = bench("vision", "feather:after=2,second=4,ratio=0.7");

/** Compares the same prompt, with visual tokens in only four of eight layers, with dense. */
export const visionYopo: Bench = bench("vision-yopo", "yopo:layers=4");
