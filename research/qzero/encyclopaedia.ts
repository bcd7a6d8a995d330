/**
 * Measures classification by retrieved categories on a made-up encyclopaedia, with its controls.
 *
 * npx tsx research/qzero/encyclopaedia.ts [--model glove]... [--texts 200]
 *
 * Writes research/qzero/results/encyclopaedia.json and the table of research/qzero/README.md. Other models keep their
 * rows.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  type ClassifyPipeline,
  createIndex,
  deleteIndex,
  type LabelsInput,
  openClassifier,
  type QZeroInput,
  type QZeroResult,
  type SearchResult,
} from "../../src/index.ts";
import { bootstrap, pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import {
  type Encyclopaedia,
  encyclopaedia,
  type LabelledText,
  opinionLabels,
  rotated,
  shuffled,
} from "../../src/pipelines/qzero/encyclopaedia.testing.ts";
import { seededRandom } from "../../src/util/random.ts";
import { keepJson } from "../../src/util/write-whole.ts";
import { root } from "../../tools/section.ts";
import { RESULT, type Row, writeTable } from "./page.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: ["glove", "minilm"] },
    texts: { type: "string", default: "200" },
  },
});
const SEED = 1;
const DEEPEST = 50;
const say = (text: string) => process.stderr.write(`${text}\n`);
const file = join(root, RESULT);

/** The documents of the index for each text. */
interface Found {
  readonly texts: readonly LabelledText[];
  readonly documents: readonly (readonly SearchResult[])[];
  readonly msPerSearch: number;
}

/** Texts that are spread over all topics. */
const some = (texts: readonly LabelledText[]) =>
  texts.filter((_, i) => (i * Number(values.texts)) % 200 < Number(values.texts));

async function search({ articles }: Encyclopaedia, sets: readonly (readonly LabelledText[])[]): Promise<Found[]> {
  const name = `qzero-encyclopaedia-${process.pid}`;
  const index = await createIndex(name, { embedding: "none" });
  await index.add(articles.map(({ categories, ...article }) => ({ ...article, categories: [...categories] })));
  const found: Found[] = [];
  for (const texts of sets) {
    const started = performance.now();
    const documents: SearchResult[][] = [];
    for (const { text } of texts) documents.push((await index.search(text, { top: DEEPEST })).results);
    found.push({ texts, documents, msPerSearch: (performance.now() - started) / texts.length });
  }
  await index.close();
  await deleteIndex(name);
  return found;
}

/** A text's part in the accuracy. */
type Part = readonly [right: 0 | 1];

const rightOf = (results: readonly QZeroResult[], texts: readonly LabelledText[], names: readonly string[]): Part[] =>
  results.map(({ label }, i): Part => [label === names[texts[i]!.label] ? 1 : 0]);
const mean = (all: readonly number[]): number => all.reduce((sum, x) => sum + x, 0) / Math.max(1, all.length);
const accuracy = (parts: readonly (readonly number[])[]): number => mean(parts.map(([right]) => right!));

interface Arm {
  readonly arm: string;
  readonly qzero: QZeroInput;
  /** The categories that each text has; by default those that were found. */
  readonly documents?: (found: Found) => readonly (readonly { categories: readonly string[] }[])[];
}

/** Runs arms over the texts of one set; each is compared with the first, which is plain. */
async function run(
  classifier: ClassifyPipeline,
  { task, telling, labels, found }: { task: Row["task"]; telling: number; labels: LabelsInput; found: Found },
  arms: readonly Arm[],
): Promise<Row[]> {
  const names = Array.isArray(labels) ? labels : Object.keys(labels);
  const rows: Row[] = [];
  let plain: Part[] | undefined;
  for (const { arm, qzero, documents } of arms) {
    const started = performance.now();
    const evidence = (documents?.(found) ?? found.documents).map((all) =>
      all.map(({ categories }) => ({ categories })),
    );
    const texts = found.texts.map(({ text }) => text);
    const options = { evidence, explain: true, qzero: { when: "always", topK: DEEPEST, ...qzero } as const };
    const { results, receipt } = await classifier.classify(texts, labels, options);
    const parts = rightOf(results, found.texts, names);
    plain ??= parts;
    const explained = results.flatMap(({ explanation }) => (explanation ? [explanation] : []));
    const { quality, ci95 } = bootstrap(parts, accuracy, { seed: SEED });
    const row: Row = {
      ...{ model: classifier.name, task, telling, arm, topK: qzero.topK ?? DEEPEST, texts: texts.length },
      ...{ accuracy: quality, ci95, delta: pairedDelta(parts, plain, accuracy, { seed: SEED }) },
      lookedUp: mean(results.map(({ retrieved, fallback }) => Number(retrieved && !fallback))),
      categories: mean(explained.map(({ read }) => read.found)),
      keywords: mean(explained.map(({ keywords }) => keywords.reduce((sum, { count }) => sum + count, 0))),
      tokens: {
        given: mean(explained.map(({ read }) => read.tokens?.given ?? 0)),
        read: mean(explained.map(({ read }) => read.tokens?.read ?? 0)),
      },
      ms: { search: found.msPerSearch, classify: (performance.now() - started) / texts.length },
      flopsPerText: receipt.flops.spent / texts.length,
    };
    rows.push(row);
    say(
      `${row.model} ${task} telling ${telling} ${arm} ${row.topK}: ${quality.toFixed(3)} (${row.ms.classify.toFixed(0)} ms a text)`,
    );
  }
  return rows;
}

const nothing = ({ texts }: Found) => texts.map(() => []);
const plain: Arm = { arm: "plain", qzero: {}, documents: nothing };
const replace = (topK: number): Arm => ({ arm: "replace", qzero: { mode: "replace", topK } });

/** The found documents with categories that other articles have. */
const withCategories =
  (articles: Encyclopaedia["articles"]) =>
  ({ documents }: Found) => {
    const byId = new Map(articles.map((article) => [article.id, article]));
    return documents.map((all) => all.map(({ id }) => byId.get(id)!));
  };

function controls({ articles, labels }: Encyclopaedia): Arm[] {
  const random = seededRandom(SEED + 1);
  const any = () => articles[Math.floor(random() * articles.length)]!;
  const qzero = { mode: "replace" } as const;
  return [
    { arm: "random articles", qzero, documents: ({ texts }) => texts.map(() => Array.from({ length: DEEPEST }, any)) },
    { arm: "shuffled categories", qzero, documents: withCategories(shuffled(articles, SEED)) },
    { arm: "categories of the next topic", qzero, documents: withCategories(rotated(articles, DEEPEST)) },
    {
      arm: "label's name",
      qzero,
      documents: ({ texts }) => texts.map(({ label }) => [{ categories: [labels[label]!] }]),
    },
  ];
}

const others: readonly Arm[] = [
  { arm: "append", qzero: { mode: "append" } },
  { arm: "interpolate", qzero: { mode: "interpolate", alpha: 0.5 } },
  { arm: "append, margin 0.05", qzero: { mode: "append", when: "margin", margin: 0.05 } },
];

/** Nothing that encoders know, half, and all names. */
const TELLING = [0, 5, 10] as const;
const [, HALF] = TELLING;

async function measure(model: string): Promise<Row[]> {
  await using classifier = await openClassifier(model);
  const rows: Row[] = [];
  for (const telling of TELLING) {
    const book = encyclopaedia(SEED, telling);
    const sets = telling === HALF ? [some(book.texts), some(book.opinions)] : [some(book.texts)];
    const [topics, opinions] = await search(book, sets);
    const topical = { task: "topics", telling, labels: book.labels, found: topics! } as const;
    const full = telling === HALF;
    const sweep = full ? [1, 5, 10, 25].map(replace) : [];
    const more = full ? [...others, ...controls(book)] : [];
    rows.push(...(await run(classifier, topical, [plain, replace(DEEPEST), ...sweep, ...more])));
    if (!opinions) continue;
    const opinionated = { task: "opinions", telling, labels: opinionLabels, found: opinions } as const;
    rows.push(...(await run(classifier, opinionated, [plain, replace(DEEPEST)])));
  }
  return rows;
}

const before: Row[] = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).rows : [];
let rows = before.filter(({ model }) => !values.model.includes(model));
for (const model of values.model) {
  rows = [...rows, ...(await measure(model))];
  await keepJson(file, { seed: SEED, rows });
}
writeTable();
