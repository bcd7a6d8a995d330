/**
 * Writes a prompt's last token's attention by rows and by cells, `research/visual-tokens/feather/attention.json`: `npx
 * tsx research/visual-tokens/attributes/maps.ts MODEL`. The bias by row without a model comes from random queries and
 * keys.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { makeScenes, type Scene } from "../../../src/lab/data/attributes/scene.ts";
import { planOf } from "../../../src/savings/plan.ts";
import { keptTokens, top } from "../../../src/savings/tokens/feather/keep.ts";
import { featherOptions } from "../../../src/savings/tokens/feather/options.ts";
import {
  type At,
  inOrder,
  PlantedBias,
  reversedRows,
} from "../../../src/savings/tokens/feather/planted-bias.testing.ts";
import { LastQueryScores } from "../../../src/savings/tokens/last-query.ts";
import { normals } from "../../../src/util/normals.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { root } from "../../../tools/section.ts";
import { Attributes } from "./answers.ts";
import { SEED, SIDE } from "./measure.ts";

export const ATTENTION = join(root, "research/visual-tokens/feather/attention.json");
/** Random pictures without a model, and questions to the model. */
const [TRIALS, PICTURES] = [40, 100];
const [KEPT, PLANTED] = [0.25, 1];

const ways = ["rotary", "none"] as const;
type Ways<T> = Readonly<Record<(typeof ways)[number], T>>;

/** The share of each row's tokens, from the top, that are among the best quarter of all. */
export type Rows = readonly number[];

export interface Attention {
  readonly planted: { readonly rotary: Rows; readonly reversed: Rows; readonly none: Rows };
  readonly pictures: number;
  readonly trained: readonly (Ways<Rows> & { readonly after: number })[];
  /** One picture's scores, row by row with the rows' own tokens; its question, and the cells that FEATHER's union keeps. */
  readonly map: {
    readonly question: string;
    readonly answer: string;
    readonly layers: readonly (Ways<readonly number[]> & {
      readonly after: number;
      readonly kept: readonly number[];
    })[];
  };
}

function rowsOf(scores: Float32Array, columns: number): number[] {
  const best = top([...scores.keys()], scores, Math.floor(KEPT * scores.length));
  const rows = Array<number>(scores.length / columns).fill(0);
  for (const cell of best) rows[Math.floor(cell / columns)]! += 1 / columns;
  return rows;
}

const meanOf = (all: readonly Rows[]): number[] =>
  all[0]!.map((_, i) => rounded(all.reduce((sum, rows) => sum + rows[i]!, 0) / all.length));
const rounded = (value: number): number => Math.round(value * 1e4) / 1e4;

async function plantedRows(planted: PlantedBias, at: At): Promise<Ways<Rows>> {
  const normal = normals(seededRandom(4));
  const found = { rotary: [] as Rows[], none: [] as Rows[] };
  for (let trial = 0; trial < TRIALS; trial++) {
    const scores = await planted.scores(PLANTED, at, normal);
    for (const way of ways) found[way].push(rowsOf(scores[way], SIDE));
  }
  return { rotary: meanOf(found.rotary), none: meanOf(found.none) };
}

/** The scores of a picture's tokens after every layer but the last, for the question where its first object is. */
async function scoresOf(world: Attributes, probes: readonly LastQueryScores[], scene: Scene): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  const question = scene.questions.find(({ kind }) => kind === "where")!;
  await world.answer({ id: scene.cells.join(" "), scene, question }, (_, [image]) => {
    const { first, grid } = image!;
    const among = Int32Array.from({ length: grid[0] * grid[1] }, (_, i) => first + i);
    const cuts = probes.map((scores, layer) => ({
      ...{ after: layer + 1, scope: "prompt" as const },
      probe: { look: (at: Parameters<LastQueryScores["look"]>[0]) => scores.look(at, among) },
      decide: ({ tokens, probed }: { tokens: number; probed: Float32Array }) => {
        found.push(probed.slice(first, first + among.length));
        return { kind: "keep" as const, positions: Int32Array.from(Array(tokens).keys()) };
      },
    }));
    return planOf([{ cuts, state: { prompt: undefined, answer: undefined } }]);
  });
  return found;
}

/** The cells that FEATHER keeps at equal counts, a quarter and a bit of all. */
function keptBy(scores: Float32Array): number[] {
  const image = { first: 0, grid: [SIDE, SIDE + 1] as const };
  const options = featherOptions.parse({ after: 1, ratio: 0.73, equal: true });
  const positions = [...scores.keys(), scores.length];
  const remaining = keptTokens(options, "first", [image], { positions, scores: Float32Array.from([...scores, 0]) });
  return [...remaining].filter((i) => i < scores.length);
}

async function trainedMaps(world: Attributes): Promise<Pick<Attention, "trained" | "map">> {
  const { layers } = world.model.decoder.config;
  const scenes = makeScenes(SIDE, PICTURES, SEED);
  const all: Record<(typeof ways)[number], Float32Array[][]> = { rotary: [], none: [] };
  for (const way of ways) {
    const terms = { rotary: way === "rotary", some: true };
    const probes = [];
    for (let layer = 0; layer < layers - 1; layer++)
      probes.push(await LastQueryScores.create(world.model.decoder, layer, terms));
    for (const scene of scenes) all[way].push(await scoresOf(world, probes, scene));
    for (const probe of probes) probe[Symbol.dispose]();
  }
  const after = Array.from({ length: layers - 1 }, (_, i) => i + 1);
  const rows = (way: (typeof ways)[number], at: number) =>
    meanOf(all[way].map((scores) => rowsOf(scores[at - 1]!, SIDE + 1)));
  const { words, answer } = scenes[0]!.questions.find(({ kind }) => kind === "where")!;
  const first = (way: (typeof ways)[number], at: number) => Array.from(all[way][0]![at - 1]!, rounded);
  return {
    trained: after.map((at) => ({ after: at, rotary: rows("rotary", at), none: rows("none", at) })),
    map: {
      ...{ question: words.join(" "), answer: answer.join(" ") },
      layers: after.map((at) => ({
        ...{ after: at, rotary: first("rotary", at), none: first("none", at) },
        kept: keptBy(all.none[0]![at - 1]!),
      })),
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  using planted = await PlantedBias.create();
  const [down, up] = [await plantedRows(planted, inOrder), await plantedRows(planted, reversedRows)];
  const model = await LanguageModel.load(await resolveModel(process.argv[2] ?? ""), "f32");
  const found: Attention = {
    planted: { rotary: down.rotary, reversed: up.rotary, none: down.none },
    pictures: PICTURES,
    ...(await trainedMaps(new Attributes(model))),
  };
  writeFileSync(ATTENTION, `${JSON.stringify(found)}\n`);
  model[Symbol.dispose]();
}
