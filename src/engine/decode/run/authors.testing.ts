/** Runs prompts with an image through the decoder of tools/reference/authors/common.py, with any recipe. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tinyLlama } from "../../../models/authors-llama.testing.ts";
import { openDecoder } from "../../../models/registry.ts";
import type { KvGroup } from "../../../models/state/kv-group.ts";
import { parseRecipe } from "../../../savings/recipe.ts";
import { numbers } from "../../../util/authors.testing.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { Engine } from "./engine.ts";
import { Recipes } from "./recipes.ts";
import { promptOfSpans } from "./spans.ts";

/** The hash that files contain for this model. */
export const HASH = "a".repeat(64);

export interface ImagePrompt {
  readonly before: readonly number[];
  /** The number of rows in a square image; each cell's embedding is drawn from `seed`. */
  readonly side: number;
  readonly seed: number;
  readonly after: readonly number[];
}

export class AuthorsModel implements Disposable {
  private constructor(
    /** The folder for a test's files; removed together with the model. */
    readonly folder: string,
    private readonly engine: Engine,
    private readonly recipes: Recipes,
  ) {}

  static async create(layers: number): Promise<AuthorsModel> {
    const folder = mkdtempSync(join(tmpdir(), "modicum-authors-"));
    const { decoder, weights } = await openDecoder(openCheckpoint(tinyLlama(folder, layers)), folder, "f32");
    const engine = await Engine.create(decoder, weights);
    return new AuthorsModel(
      folder,
      engine,
      new Recipes({ decoder, hash: async () => HASH }, (plan) => engine.prepare(plan)),
    );
  }

  /** The prompt's logits, and the image cells in each layer's cache. */
  async run(recipe: string, { before, side, seed, after }: ImagePrompt) {
    const { engine } = this;
    const { hidden, layers } = engine.programs.decoder.config;
    const cells = side * side;
    const image = {
      embeddings: numbers(seed, cells * hidden),
      contentHash: `authors ${side} ${seed}`,
      grid: [side, side] as [number, number],
    };
    const { prompt, embeddings, visual } = promptOfSpans([before, image, after], hidden);
    using lease = await this.recipes.use(parseRecipe([recipe]));
    const plan = lease.plan(prompt.length, visual);
    await engine.prepare(plan);
    engine.forget();
    const slot = engine.acquireEmpty(prompt, plan);
    let logits = new Float32Array();
    try {
      for await (const some of engine.chunks(slot, prompt, { plan, meter: new Meter(engine.programs), embeddings }))
        if (some) logits = some.slice();
      const held = Array.from({ length: layers }, (_, layer) => {
        const group = slot.group(layer) as KvGroup;
        const entries = Array.from({ length: group.length }, (_, entry) => group.position(entry) - before.length);
        return entries.filter((cell) => cell >= 0 && cell < cells);
      });
      return { logits, held };
    } finally {
      engine.release(slot);
    }
  }

  [Symbol.dispose](): void {
    this.recipes[Symbol.dispose]();
    this.engine[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
  }
}
