/**
 * Asks a model of the attribute world under every recipe of `cells.ts`: `npx tsx
 * research/visual-tokens/attributes/measure.ts MODEL OUT`. Recipes whose answers are in OUT are skipped.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { calibrate } from "../../../src/engine/file/profile.ts";
import { parseRecipe } from "../../../src/index-lab.ts";
import { makeScenes, type Scene, textOf } from "../../../src/lab/data/attributes/scene.ts";
import { IMAGE } from "../../../src/lab/data/attributes/words.ts";
import { headCalibration } from "../../../src/savings/attention/yopo/calibration.ts";
import type { HeadMask } from "../../../src/savings/attention/yopo/heads.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { Attributes, type Case } from "./answers.ts";
import { type Bias, measureBias } from "./bias.ts";
import { type Cell, featherCells, type HeadFiles, yopoCells } from "./cells.ts";

export const [SIDE, PICTURES, SEED] = [12, 500, 2026];
/** Pictures that heads are chosen on, of another seed. */
const CALIBRATION = { pictures: 200, seed: 77 };

/** A recipe's answers to three questions about each picture: where, the picture as a whole, read. */
export interface Answers {
  readonly recipe: readonly string[];
  /** One digit per picture: 1 for a right answer. */
  readonly right: Readonly<Record<Asked, string>>;
  /** Visual tokens of each layer, on average. */
  readonly tokens: readonly number[];
  /** FLOPs of a prompt and its answer, averaged over the first question. */
  readonly flops: { readonly dense: number; readonly spent: number; readonly overhead: number };
}

export const askedKinds = ["where", "whole", "read"] as const;
export type Asked = (typeof askedKinds)[number];

/** The question of a kind about a picture; about the whole, ground and presence take turns. */
export function questionOf({ questions }: Scene, kind: Asked, picture: number) {
  const name = kind === "whole" ? (picture % 2 === 0 ? "ground" : "any") : kind;
  const of = questions.filter((question) => question.kind === name);
  return of[kind === "whole" ? Math.floor(picture / 2) % of.length : 0]!;
}

function shuffledScene(scene: Scene, seed: number): Scene {
  const { side, cells } = scene;
  const inside = shuffle(
    cells.filter((_, i) => i % (side + 1) > 0),
    seededRandom(seed),
  );
  return { ...scene, cells: cells.map((cell, i) => (i % (side + 1) > 0 ? inside.pop()! : cell)) };
}

/** Asks three questions about each picture. */
export async function measure(
  world: Attributes,
  { recipe, shuffled }: Cell,
  scenes: readonly Scene[],
): Promise<Answers> {
  using lease = await world.model.recipes.use(parseRecipe(recipe));
  const right: Record<Asked, string> = { where: "", whole: "", read: "" };
  const [tokens, flops] = [
    Array<number>(world.model.decoder.config.layers).fill(0),
    { dense: 0, spent: 0, overhead: 0 },
  ];
  for (const kind of askedKinds)
    for (const [i, scene] of scenes.entries()) {
      const seen = shuffled ? shuffledScene(scene, i) : scene;
      const testCase: Case = { id: `${i} ${shuffled === true}`, scene: seen, question: questionOf(scene, kind, i) };
      const answer = await world.answer(testCase, lease.plan);
      right[kind] += answer.right ? "1" : "0";
      for (const [layer, count] of answer.tokens.entries()) tokens[layer]! += count / scenes.length / askedKinds.length;
      if (kind !== "where") continue;
      const { dense, spent, overhead } = answer.spent.flops;
      flops.dense += dense / scenes.length;
      flops.spent += spent / scenes.length;
      flops.overhead += overhead / scenes.length;
    }
  return { recipe, right, tokens, flops };
}

/** Chooses heads on two halves of other pictures, and on all; writes the masks. */
async function chooseHeads(world: Attributes, out: string): Promise<HeadFiles> {
  const scenes = makeScenes(SIDE, CALIBRATION.pictures, CALIBRATION.seed);
  const texts = scenes.flatMap((scene, i) =>
    askedKinds.map((kind) => textOf([IMAGE, ...scene.cells, ...questionOf(scene, kind, i).words])),
  );
  const options = { first: 1, rows: SIDE, columns: SIDE + 1, whole: 0 };
  const learn = async (some: readonly string[]) => {
    const { artefact } = await calibrate("measure", world.model, headCalibration, some, { options });
    return artefact as unknown as HeadMask;
  };
  const mask = await learn(texts);
  const halves = [await learn(texts.slice(0, texts.length / 2)), await learn(texts.slice(texts.length / 2))];
  const same = (a: HeadMask, b: HeadMask) =>
    a.kept.flat().filter((keep, i) => keep === b.kept.flat()[i]).length / a.kept.flat().length;
  const all = mask.kept.flat();
  const mixed = shuffle([...all], seededRandom(1));
  const layered = (flat: readonly boolean[]) => mask.kept.map((row, l) => row.map((_, h) => flat[l * row.length + h]!));
  const file = (name: string) => join(out, `${name}.json`);
  const files = {
    ...{ kept: file("heads"), most: file("most"), random: file("random") },
    ...{ deep: file("deep"), deepMost: file("deep-most"), deepRandom: file("deep-random") },
  };
  const write = (file: string, value: object) => writeFileSync(file, `${JSON.stringify(value)}\n`);
  write(files.kept, mask);
  write(files.most, { ...mask, kept: mask.kept.map((row) => row.map((keep) => !keep)) });
  write(files.random, { ...mask, kept: layered(mixed) });
  const deep = halfBelow(mask);
  const below = shuffle([...deep.slice(WHOLE).flat()], seededRandom(1));
  const width = deep[0]!.length;
  const withDeep = (of: (layer: number, head: number) => boolean) =>
    deep.map((row, l) => row.map((_, h) => l < WHOLE || of(l, h)));
  write(files.deep, { ...mask, kept: deep });
  write(files.deepMost, { ...mask, kept: withDeep((l, h) => !deep[l]![h]) });
  write(files.deepRandom, { ...mask, kept: withDeep((l, h) => below[(l - WHOLE) * width + h]!) });
  write(join(out, "halves.json"), { agreement: same(halves[0]!, halves[1]!), kept: mask.kept, deep });
  return files;
}

/** First layers that keep all heads in the paper's masks. */
export const WHOLE = 2;

/** The more active half of the heads of the layers after those that keep all. */
function halfBelow({ ratios }: HeadMask): boolean[][] {
  const all = ratios
    .slice(WHOLE)
    .flat()
    .toSorted((a, b) => b - a);
  const least = all[all.length / 2 - 1]!;
  return ratios.map((row, layer) => row.map((ratio) => layer < WHOLE || ratio >= least));
}

const nameOf = (text: string): string => text.replaceAll(/[^a-z0-9]+/g, "-");

if (process.argv[1] === import.meta.filename) {
  const [model = "", out = ""] = process.argv.slice(2);
  mkdirSync(join(out, "feather"), { recursive: true });
  mkdirSync(join(out, "yopo"), { recursive: true });
  const loaded = await LanguageModel.load(await resolveModel(model), "f32");
  const world = new Attributes(loaded);
  const scenes = makeScenes(SIDE, PICTURES, SEED);
  const biasFile = join(out, "bias.json");
  if (!existsSync(biasFile))
    writeFileSync(biasFile, JSON.stringify((await measureBias(world, scenes)) satisfies Bias[]));
  const heads = await chooseHeads(world, out);
  for (const cell of [...featherCells, ...yopoCells(heads)]) {
    const file = join(out, cell.page, `${nameOf(cell.name)}.json`);
    if (existsSync(file)) continue;
    const answers = await measure(world, cell, scenes);
    writeFileSync(file, JSON.stringify({ name: cell.name, ...answers }));
    const share = (kind: Asked) => [...answers.right[kind]].filter((digit) => digit === "1").length / PICTURES;
    console.error(cell.page, cell.name, askedKinds.map((kind) => `${kind} ${share(kind).toFixed(3)}`).join(" "));
  }
  console.error(readFileSync(biasFile, "utf8"));
  loaded[Symbol.dispose]();
}
