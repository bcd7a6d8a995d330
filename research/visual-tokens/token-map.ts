/**
 * Draws what a question attends to in a picture: `npx tsx research/visual-tokens/token-map.ts MODEL PICTURE QUESTION
 * OUT.png [RATIO]`. A column for every layer but the last: the picture where the question's last token attends to it
 * after that layer, the brighter the more, scored with the rotary embedding (above) and without it; dots are the tokens
 * that feather keeps there if it drops RATIO (0.7). Of an image in several grids, the first is drawn.
 */
import { writeFile } from "node:fs/promises";
import sharp from "sharp";
import { Meter } from "../../src/engine/bill/meter.ts";
import { LanguageModel } from "../../src/engine/decode/language-model.ts";
import { encodeWithPlaces, seenPrompt } from "../../src/engine/decode/vision/seen-prompt.ts";
import { planOf, type VisualSpan } from "../../src/savings/plan.ts";
import { keptTokens } from "../../src/savings/tokens/feather/keep.ts";
import { featherOptions } from "../../src/savings/tokens/feather/options.ts";
import { LastQueryScores } from "../../src/savings/tokens/last-query.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import { SIDE, shades, sheetOf, svgOf } from "../common/picture-sheet.ts";

const [name, picture, question, out, ratio = "0.7"] = process.argv.slice(2);
if (name === undefined || picture === undefined || question === undefined || out === undefined)
  throw new Error("usage: npx tsx research/visual-tokens/token-map.ts MODEL PICTURE QUESTION OUT.png [RATIO]");

const model = await LanguageModel.load(await resolveModel(name), "f32");
const ids = encodeWithPlaces(model, question, 1, { raw: false, tools: [] });
const { prompt, embeddings, visual } = await seenPrompt(model, ids, [picture]);
const [image] = visual;
if (image === undefined) throw new Error(`the images of ${name} have no grid`);
const cells = image.grid[0] * image.grid[1];

/** Scores of the image's tokens after every layer but the last. */
async function scoresOf(rotary: boolean): Promise<Float32Array[]> {
  const { decoder, engine } = model;
  const found: Float32Array[] = [];
  const among = Int32Array.from({ length: cells }, (_, i) => image!.first + i);
  const cuts = await Promise.all(
    Array.from({ length: decoder.config.layers - 1 }, async (_, layer) => {
      const scores = await LastQueryScores.create(decoder, layer, { rotary, some: true });
      return {
        ...{ after: layer + 1, scope: "prompt" as const },
        probe: { look: (at: Parameters<LastQueryScores["look"]>[0]) => scores.look(at, among) },
        decide: ({ tokens, probed }: { tokens: number; probed: Float32Array }) => {
          found.push(probed.slice(image!.first, image!.first + cells));
          return { kind: "keep" as const, positions: Int32Array.from(Array(tokens).keys()) };
        },
      };
    }),
  );
  const plan = planOf([{ cuts, state: { prompt: undefined, answer: undefined } }]);
  await engine.prepare(plan);
  const slot = engine.acquireEmpty(prompt, plan);
  const terms = { plan, meter: new Meter(engine.programs), embeddings };
  for await (const _ of engine.chunks(slot, prompt, terms));
  engine.release(slot);
  return found;
}

/** Cells that feather keeps by these scores. */
function keptBy(scores: Float32Array, { grid }: VisualSpan): number[] {
  const options = featherOptions.parse({ after: 1, ratio: Number(ratio) });
  const at = { positions: [...scores.keys(), cells], scores: Float32Array.from([...scores, 0]) };
  return [...keptTokens(options, "first", [{ first: 0, grid }], at)].filter((i) => i < cells);
}

/** The picture, stretched to a square as the grid's, darker where nobody looks. */
async function drawn(scores: Float32Array, marked: readonly number[]): Promise<Buffer> {
  const [rows, columns] = image!.grid;
  const [wide, high, most] = [SIDE / columns, SIDE / rows, Math.sqrt(Math.max(...scores))];
  const darkness = Array.from(scores, (score) => 0.9 * (1 - Math.sqrt(score) / most));
  const dots = marked.map((cell) => {
    const [x, y] = [wide * (cell % columns), high * Math.floor(cell / columns)];
    return `<circle cx="${x + wide / 2}" cy="${y + high / 2}" r="${Math.min(wide, high) / 6}" fill="#56b4e9"/>`;
  });
  return sharp(picture)
    .autoOrient()
    .flatten({ background: "white" })
    .resize(SIDE, SIDE, { kernel: "nearest", fit: "fill" })
    .composite([{ input: svgOf(`${shades(darkness, image!.grid)}${dots.join("")}`) }])
    .png()
    .toBuffer();
}

const [rotary, none] = [await scoresOf(true), await scoresOf(false)];
const above = await Promise.all(rotary.map((scores) => drawn(scores, [])));
const below = await Promise.all(none.map((scores) => drawn(scores, keptBy(scores, image))));
await writeFile(out, await sheetOf([above, below], rotary.length));
model[Symbol.dispose]();
