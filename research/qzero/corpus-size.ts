/**
 * Measures QZero by word vectors against the size of the corpus: decreasing numbers of Wikipedia leads with their
 * descriptions, drawn with one seed.
 *
 * npx tsx research/qzero/corpus-size.ts SET --data DIR [--rows 1200] [--seed 1]
 *
 * Writes research/qzero/real/sizes/SET-descriptions-glove.json.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { root } from "../../tools/section.ts";
import { armOf } from "./arms.ts";
import { openKept } from "./kept-embeddings.ts";
import { runArm } from "./measure.ts";
import { Corpus } from "./retrieved.ts";
import { openSet } from "./sets.ts";
import { leads } from "./wikipedia.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: "string", default: "1200" },
    seed: { type: "string", default: "1" },
    data: { type: "string" },
  },
});
const [name] = positionals;
if (!name || values.data === undefined) throw new Error("expected SET --data DIR");
const seed = Number(values.seed);
const SIZES = [100, 300, 1000, 3000, 10_033];
const ARMS = ["append@1", "replace@10", "append@10"];

const set = await openSet(name, values.data, { from: 0, count: Number(values.rows), seed });
const texts = set.rows.map(({ text }) => text);
const documents = shuffle(await leads(false), seededRandom(seed));
await using pipeline = await openKept("glove", "");
const mean = (numbers: readonly number[]) => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;

const sizes: object[] = [];
for (const size of SIZES) {
  const corpus = await Corpus.search(documents.slice(0, size), texts, 10, seed);
  const plain = await runArm(pipeline, set, corpus, armOf("plain"), undefined);
  const arms: object[] = [];
  for (const arm of ARMS.map(armOf)) {
    const { accuracy, gain } = await runArm(pipeline, set, corpus, arm, plain.right);
    arms.push({ arm: arm.name, accuracy, gain });
  }
  const hits = mean(corpus.found.map((it) => Number(it.documents.length > 0)));
  sizes.push({
    documents: size,
    hits,
    covered: mean(corpus.found.map(({ covered }) => covered)),
    plain: plain.accuracy,
    arms,
  });
  process.stderr.write(`${size} documents: ${JSON.stringify(sizes.at(-1))}\n`);
}
const file = join(root, "research/qzero/real/sizes", `${name}-descriptions-glove.json`);
await writeJson(file, { set: name, corpus: "descriptions", model: "glove", seed, rows: set.rows.length, sizes });
