/**
 * Measures where a decoder's last token looks in grids of words, layer by layer, with the rotary embedding and without:
 *
 *     npx tsx research/visual-tokens/word-grid/bias.ts [MODEL] [GRIDS] [SEED]
 *
 * Writes bias.json beside this file: the mean row, from 0 at the top to 1, of the quarter of the words that has the best scores.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Meter } from "../../../src/engine/bill/meter.ts";
import { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { findTask } from "../../../src/index-lab.ts";
import { bootstrap } from "../../../src/lab/metrics/bootstrap.ts";
import { planOf, type VisualSpan } from "../../../src/savings/plan.ts";
import { meanKeptRow } from "../../../src/savings/tokens/feather/planted-bias.testing.ts";
import { LastQueryScores } from "../../../src/savings/tokens/last-query.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { meanOfParts } from "../../common/shares.ts";

/** The share of a grid's words that has the best scores. */
const BEST = 0.25;
/** Tokens that name a row, before its words. */
const MARKS = 3;

const ways = ["rotary", "none"] as const;
type Way = (typeof ways)[number];

/** A mean over grids, with a 95 % interval. */
interface Estimate {
  readonly mean: number;
  readonly ci95: readonly [number, number];
}

/** Mean rows by layer. */
export interface Bias {
  readonly model: string;
  readonly grids: number;
  readonly seed: number;
  readonly best: number;
  readonly layers: readonly ({ readonly after: number } & Readonly<Record<Way, Estimate>>)[];
}

/** Indices of the words in a prompt; the names of rows are left out. */
function wordsOf({ first, grid: [rows, columns] }: VisualSpan): Int32Array {
  const cells = Array.from({ length: rows * columns }, (_, cell) => cell);
  return Int32Array.from(cells.filter((cell) => cell % columns >= MARKS).map((cell) => first + cell));
}

/** The mean row of a prompt's best words after each layer but the last. */
async function meanRows(model: LanguageModel, scorers: Scorers, prompt: readonly number[], span: VisualSpan) {
  const { engine } = model;
  const among = wordsOf(span);
  const found: Record<Way, number>[] = [];
  const cuts = scorers.map((scores, layer) => ({
    after: layer + 1,
    scope: "prompt" as const,
    probe: {
      async look(at: Parameters<LastQueryScores["look"]>[0]) {
        const rows = { rotary: 0, none: 0 };
        const looks = { rotary: await scores.rotary.look(at, among), none: await scores.none.look(at, among) };
        for (const way of ways) {
          const values = Float32Array.from(among, (i) => looks[way].found[i]!);
          rows[way] = meanKeptRow(values, [span.grid[0], span.grid[1] - MARKS], BEST);
        }
        found.push(rows);
        return looks.rotary;
      },
    },
    decide: ({ tokens }: { tokens: number }) => ({
      kind: "keep" as const,
      positions: Int32Array.from(Array(tokens).keys()),
    }),
  }));
  const plan = planOf([{ cuts, state: { prompt: undefined, answer: undefined } }]);
  await engine.prepare(plan);
  engine.forget();
  const slot = engine.acquireEmpty(prompt, plan);
  for await (const _ of engine.chunks(slot, prompt, { plan, meter: new Meter(engine.programs) }));
  engine.release(slot);
  return found;
}

type Scorers = readonly Readonly<Record<Way, LastQueryScores>>[];

const scorersOf = ({ decoder }: LanguageModel): Promise<Scorers> =>
  Promise.all(
    Array.from({ length: decoder.config.layers - 1 }, async (_, layer) => ({
      rotary: await LastQueryScores.create(decoder, layer, { rotary: true, some: true }),
      none: await LastQueryScores.create(decoder, layer, { rotary: false, some: true }),
    })),
  );

const estimate = (rows: readonly number[]): Estimate => {
  const { quality, ci95 } = bootstrap(
    rows.map((row) => [row]),
    meanOfParts,
    { seed: 0 },
  );
  return { mean: quality, ci95 };
};

async function measure(name: string, grids: number, seed: number): Promise<Bias> {
  using model = await LanguageModel.load(await resolveModel(name));
  const scorers = await scorersOf(model);
  const task = await findTask("word-grid");
  const start = model.encode("", true).length;
  const all: Record<Way, number>[][] = [];
  const run = { seed, limit: grids, countTokens: (text: string) => model.encode(text, true).length };
  for await (const item of task.items(run)) {
    if (item.kind !== "generation") throw new Error("expected a task whose answers are texts");
    const [{ first, grid }] = item.visual as [VisualSpan];
    all.push(await meanRows(model, scorers, model.encode(item.prompt, true), { first: first + start, grid }));
    console.error(`${all.length} of ${grids}`);
  }
  const layers = scorers.map((_, layer) => {
    const of = (way: Way) => estimate(all.map((rows) => rows[layer]![way]));
    return { after: layer + 1, rotary: of("rotary"), none: of("none") };
  });
  return { model: name, grids: all.length, seed, best: BEST, layers };
}

if (process.argv[1] === import.meta.filename) {
  const [name = "smollm2", grids = "20", seed = "77"] = process.argv.slice(2);
  const bias = await measure(name, Number(grids), Number(seed));
  writeFileSync(join(import.meta.dirname, "bias.json"), `${JSON.stringify(bias, null, 1)}\n`);
}
