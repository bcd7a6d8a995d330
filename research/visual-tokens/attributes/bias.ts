import type { Scene } from "../../../src/lab/data/attributes/scene.ts";
import { planOf } from "../../../src/savings/plan.ts";
import { meanKeptRow } from "../../../src/savings/tokens/feather/planted-bias.testing.ts";
import { LastQueryScores } from "../../../src/savings/tokens/last-query.ts";
import type { Attributes } from "./answers.ts";

/** The mean row, from 0 at the top to 1, of the best quarter of the visual tokens after a layer. */
export interface Bias {
  readonly after: number;
  readonly rotary: number;
  readonly none: number;
}

const KEPT = 0.25;

/** The bias of a trained model's attention, over questions where an object is, whose rows are uniform. */
export async function measureBias(world: Attributes, scenes: readonly Scene[]): Promise<Bias[]> {
  const { decoder } = world.model;
  const found: Bias[] = [];
  for (let after = 1; after < decoder.config.layers; after++) {
    const of = { rotary: 0, none: 0 };
    for (const way of ["rotary", "none"] as const) {
      using scores = await LastQueryScores.create(decoder, after - 1, { rotary: way === "rotary", some: true });
      for (const [i, scene] of scenes.entries())
        of[way] += (await meanRow(world, scene, { after, scores, id: String(i) })) / scenes.length;
    }
    found.push({ after, ...of });
  }
  return found;
}

async function meanRow(
  world: Attributes,
  scene: Scene,
  { after, scores, id }: { after: number; scores: LastQueryScores; id: string },
): Promise<number> {
  let mean = Number.NaN;
  const question = scene.questions.find(({ kind }) => kind === "where")!;
  await world.answer({ id, scene, question }, (_, [image]) => {
    const { first, grid } = image!;
    const among = Int32Array.from({ length: grid[0] * grid[1] }, (_, i) => first + i);
    const cut = {
      ...{
        after,
        scope: "prompt" as const,
        probe: { look: (at: Parameters<LastQueryScores["look"]>[0]) => scores.look(at, among) },
      },
      decide: ({ tokens, probed }: { tokens: number; probed: Float32Array }) => {
        mean = meanKeptRow(probed.slice(first, first + among.length), grid, KEPT);
        return { kind: "keep" as const, positions: Int32Array.from(Array(tokens).keys()) };
      },
    };
    return planOf([{ cuts: [cut], state: { prompt: undefined, answer: undefined } }]);
  });
  return mean;
}
