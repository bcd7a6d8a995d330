/**
 * Measures QZero on real texts: by word vectors or an encoder, with the documents that BM25 finds, with controls.
 *
 * npx tsx research/qzero/real.ts SET CORPUS MODEL --data DIR [--rows 1200] [--from 0] [--seed 1] [--arms
 * plain,replace@10,…] [--kept FOLDER]
 *
 * SET is tagmynews, cooking or sst2; CORPUS is leads, descriptions (leads without their topics) or slice; MODEL is
 * glove or a model of embeddings. DIR has QZero's files. An encoder's vectors are stored in FOLDER, from which a
 * stopped run resumes. Writes research/qzero/real/SET-CORPUS-MODEL.json; of rows after the first `--from`, to hold out,
 * SET-CORPUS-MODEL-FROM.json.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { countNouns } from "../../src/pipelines/qzero/nouns.ts";
import { mean } from "../../src/util/mean.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { root } from "../../tools/section.ts";
import { armOf } from "./arms.ts";
import { openKept } from "./kept-embeddings.ts";
import { type ArmResult, gainByCoverage, runArm } from "./measure.ts";
import { Corpus } from "./retrieved.ts";
import { openSet } from "./sets.ts";
import { corpusDocuments } from "./wikipedia.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: "string", default: "1200" },
    from: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    arms: {
      type: "string",
      default: "replace@10,append@10,margin@10,interpolate@10,shuffled-replace@10,shuffled-append@10,random-replace@10",
    },
    data: { type: "string" },
    kept: { type: "string", default: "/tmp" },
  },
});
const [setName, corpusName, modelName] = positionals;
if (!setName || !corpusName || !modelName || values.data === undefined)
  throw new Error("expected SET CORPUS MODEL --data DIR");
const [seed, from] = [Number(values.seed), Number(values.from)];
const arms = values.arms.split(",").map(armOf);
const say = (text: string) => process.stderr.write(`${text}\n`);

const set = await openSet(setName, values.data, { from, count: Number(values.rows), seed });
const documents = await corpusDocuments(corpusName, values.data);
const most = Math.max(...arms.map(({ qzero }) => qzero.topK ?? 0));
if (most > documents.length / 10) throw new Error(`${most} documents are more than a tenth of ${documents.length}`);
const corpus = await Corpus.search(
  documents,
  set.rows.map(({ text }) => text),
  most,
  seed,
);
say(`${set.rows.length} rows, ${documents.length} documents`);

await using pipeline = await openKept(modelName, values.kept);
const plain = await runArm(pipeline, set, corpus, armOf("plain"), undefined);
const results: ArmResult[] = [plain];
for (const arm of arms) {
  results.push(await runArm(pipeline, set, corpus, arm, plain.right));
  const { accuracy, gain } = results.at(-1)!;
  say(`${arm.name}: ${accuracy.toFixed(3)}, ${gain.mean.toFixed(3)} [${gain.ci95.map((end) => end.toFixed(3))}]`);
}

const { found } = corpus;
await writeJson(
  join(root, "research/qzero/real", `${setName}-${corpusName}-${modelName}${from > 0 ? `-${from}` : ""}.json`),
  {
    ...{
      set: setName,
      corpus: corpusName,
      model: modelName,
      seed,
      ...(from > 0 && { from }),
      rows: set.rows.length,
      of: set.size,
    },
    documents: documents.length,
    labels: Object.keys(set.labels),
    retrieval: {
      zeroHits: mean(found.map((it) => Number(it.documents.length === 0))),
      ms: mean(found.map(({ ms }) => ms)),
      flops: mean(found.map(({ flops }) => flops)),
    },
    nounsMs: nounsMs(),
    arms: results,
    coverage: Object.fromEntries(
      results
        .filter(({ arm }) => arm === "replace@10" || arm === "append@10")
        .map(({ arm, right }) => [arm, gainByCoverage(corpus, plain.right, right)]),
    ),
  },
);

/** Milliseconds to tag the categories of the ten best documents of a text, none of them known from before. */
function nounsMs(): number {
  const some = found.slice(0, 100).map((it) => it.documents.slice(0, 10).flatMap(({ categories }) => categories));
  countNouns("Films about death");
  const started = performance.now();
  for (const categories of some) countNouns(categories.join("\n"));
  return (performance.now() - started) / some.length;
}
