import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Postgres, postgresPrograms } from "../../ledger/postgres.testing.ts";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { addAll } from "../add.ts";
import { ANALYSIS, countsOf, termsOf } from "../analysis.ts";
import type { Document } from "../document.ts";
import { fuse } from "../fusion.ts";
import { normalised } from "../prepare.ts";
import { search } from "../search.ts";
import type { IndexSettings } from "../settings.ts";
import { createStore, deleteStore, indexNames, openStore } from "./open.ts";
import { type Store, StoreFault } from "./store.ts";

const WIDTH = 8;
const sha256 = "0".repeat(64);
const settings: IndexSettings = {
  analysis: ANALYSIS,
  embedding: { name: "hash", sha256, width: WIDTH },
  chunks: { words: 12, overlap: 3 },
};

/** Vectors that depend only on a text's letters. */
let embedded = 0;
async function embed(texts: readonly string[]): Promise<Float32Array[]> {
  embedded += texts.length;
  return texts.map((text) => {
    const random = seededRandom([...text].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 1_000_003, 7));
    return Float32Array.from({ length: WIDTH }, () => random() - 0.5);
  });
}

const documentOf = (id: string, text: string, more: Partial<Document> = {}): Document => ({
  ...{ id, title: "", text, categories: [], metadata: {} },
  ...more,
});

const random = seededRandom(3);
const words = "wing flow heat plate jet lift drag shock layer wave".split(" ");
const sentence = () => Array.from({ length: 9 }, () => words[Math.floor(words.length * random() ** 2)]).join(" ");
/** Documents of several chunks. */
const corpus = Array.from({ length: 30 }, (_, i) =>
  documentOf(`d${String(i).padStart(2, "0")}`, `${sentence()}. ${sentence()}.\n\n${sentence()}.`, {
    title: `Part ${i}`,
  }),
);

const folder = mkdtempSync(join(tmpdir(), "modicum-store-"));
/** Tests in Postgres are skipped without a server that has pgvector; `.ci/run` installs both. */
const hasPgvector = postgresPrograms !== undefined && existsSync(join(postgresPrograms, "../lib/vector.so"));
let postgres: Postgres | undefined;
beforeAll(async () => {
  if (hasPgvector) postgres = await Postgres.start();
});
afterAll(async () => {
  await postgres?.stop();
  rmSync(folder, { recursive: true });
});

const add = (store: Store, documents: readonly Document[], source: string | null = null) =>
  addAll(store, source, documents, embed, () => {});

/** The results of every kind of search. */
async function answers(store: Store) {
  const terms = await store.byTerms(countsOf(termsOf("jet wave of the plate")), 1000);
  const [query] = await embed(["jet"]);
  const vectors = await store.byVector(normalised(query!), 1000);
  return { terms, vectors };
}

const NONE = { added: 0, replaced: 0, unchanged: 0, removed: 0, empty: 0 };

describe.each([
  { kind: "SQLite", place: async () => mkdtempSync(join(folder, "place-")) },
  { kind: "Postgres", place: () => postgres!.database() },
])("an index in $kind", ({ kind, place: newPlace }) => {
  const it = kind === "Postgres" && !hasPgvector ? test.skip : test;

  async function opened(): Promise<{ place: string; store: Store }> {
    const place = await newPlace();
    return { place, store: await createStore(place, "notes", settings) };
  }

  it("has the added documents, also for the next to open it", async () => {
    const { place, store } = await opened();
    expect(await add(store, corpus)).toEqual({ ...NONE, added: 30 });
    const before = await answers(store);
    expect(await store.counts()).toMatchObject({ documents: 30, chunks: before.vectors.hits.length });
    await store.close();
    const again = await openStore(place, "notes");
    expect(again.settings).toEqual(settings);
    expect(await answers(again)).toEqual(before);
    const chunks = before.terms.hits.slice(0, 2).map(({ chunk }) => chunk);
    const passages = await again.passages([...chunks, 99_999]);
    expect(passages.map(({ chunk }) => chunk)).toEqual(chunks);
    const { id, title } = passages[0]!;
    expect(corpus.find((document) => document.id === id)).toMatchObject({
      title,
      text: expect.stringContaining(passages[0]!.text),
    });
    await again.close();
  });

  it("says whether a document has categories", async () => {
    const { store } = await opened();
    await add(store, corpus.slice(0, 2));
    expect(await store.hasCategories()).toBe(false);
    await add(store, [documentOf("d03", "Lift.", { categories: ["Wings"] })]);
    expect(await store.hasCategories()).toBe(true);
    await store.remove(["d03"]);
    expect(await store.hasCategories()).toBe(false);
    await store.close();
  });

  it("does not embed unchanged documents again, replaces changed ones, and removes on request", async () => {
    const { store } = await opened();
    await add(store, corpus);
    const calls = embedded;
    expect(await add(store, corpus)).toEqual({ ...NONE, unchanged: 30 });
    expect(embedded).toBe(calls);
    const changed = documentOf("d03", "Something else entirely.");
    expect(await add(store, [changed, ...corpus.slice(4, 6)])).toEqual({ ...NONE, replaced: 1, unchanged: 2 });
    expect(await store.remove(["d00", "nobody"])).toBe(1);
    // The index equals one that never had the removed documents.
    const { store: fresh } = await opened();
    await add(fresh, [...corpus.slice(1, 3), ...corpus.slice(4), changed]);
    const [ours, expected] = [await answers(store), await answers(fresh)];
    const scores = (all: Awaited<ReturnType<typeof answers>>) => [
      all.terms.hits.map(({ score }) => score),
      all.vectors.hits.map(({ score }) => score),
    ];
    expect(scores(ours)).toEqual(scores(expected));
    expect(await store.counts()).toEqual(await fresh.counts());
    expect(await search(store, "entirely", "bm25", 3, undefined)).toMatchObject({ results: [{ id: "d03" }] });
    await store.remove(corpus.map(({ id }) => id));
    expect(await store.counts()).toEqual({ documents: 0, chunks: 0, terms: 0 });
    expect(await answers(store)).toEqual({ terms: { hits: [], postings: 0 }, vectors: { hits: [], compared: 0 } });
    await Promise.all([store.close(), fresh.close()]);
  });

  it("reads a search's passages once, for its results alone, however deep it ranks", async () => {
    const { store } = await opened();
    const sentences = Array.from({ length: 300 }, () => `${sentence()}.`);
    await add(store, [...corpus, documentOf("long", sentences.join("\n\n"))]);
    const { chunks } = await store.counts();
    const { terms, vectors } = await answers(store);
    const passages = await store.passages([...Array(chunks + 1).keys()]);
    const ranked = (hits: typeof terms.hits) => {
      const all = hits.map(({ chunk }) => passages.find((passage) => passage.chunk === chunk)!);
      return all.filter(({ id }, i) => all.findIndex((other) => other.id === id) === i);
    };
    const rankings = [ranked(terms.hits), ranked(vectors.hits)];
    const expected = fuse(rankings, ({ id }) => id).slice(0, 5);
    const read = vi.spyOn(store, "passages");
    const byTerms = vi.spyOn(store, "byTerms");
    const documentsOf = vi.spyOn(store, "documentsOf");
    const jet = async () => embed(["jet"]);
    const { results } = await search(store, "jet wave of the plate", "hybrid", 5, jet);
    expect(results).toEqual(expected.map(({ item: { chunk: _, ...passage }, score }) => ({ ...passage, score })));
    expect(byTerms).toHaveBeenCalledTimes(2);
    expect(read.mock.calls).toEqual([[expected.map(({ item }) => item.chunk)]]);
    const seen = documentsOf.mock.calls.flat(2);
    expect(seen).toHaveLength(new Set(seen).size);
    await store.close();
  });

  it("follows a file: documents that left it are removed, and moved documents belong to it", async () => {
    const { store } = await opened();
    await add(store, corpus.slice(0, 4), "/a");
    expect(await add(store, corpus.slice(2, 5), "/a")).toEqual({ ...NONE, added: 1, unchanged: 2, removed: 2 });
    await add(store, corpus.slice(2, 3), "/b");
    expect((await store.idsFrom("/a")).sort()).toEqual(["d03", "d04"]);
    expect(await store.idsFrom("/b")).toEqual(["d02"]);
    expect(await store.list("d02", 1)).toEqual([
      { id: "d03", title: "Part 3", source: "/a", chunks: expect.any(Number) },
    ]);
    await store.close();
  });

  it("loses nothing of several writers at once", async () => {
    const { place, store } = await opened();
    const writers = await Promise.all([1, 2, 3].map(() => openStore(place, "notes")));
    await Promise.all(writers.map((writer, i) => add(writer, corpus.slice(8 * i, 8 * i + 14))));
    const { store: fresh } = await opened();
    await add(fresh, corpus);
    expect(await store.counts()).toEqual(await fresh.counts());
    const sorted = async (one: Store) => (await answers(one)).terms.hits.map(({ score }) => score.toFixed(9));
    expect(await sorted(store)).toEqual(await sorted(fresh));
    await Promise.all([store, fresh, ...writers].map((each) => each.close()));
  });

  it("without words, with empty documents, and without documents", async () => {
    const { store } = await opened();
    expect(await add(store, [])).toEqual(NONE);
    const inputs = [
      documentOf("empty", " \n"),
      documentOf("title", "", { title: "Wings" }),
      documentOf("stop", "the of"),
    ];
    expect(await add(store, inputs)).toEqual({ ...NONE, added: 3, empty: 1 });
    expect(await store.counts()).toMatchObject({ documents: 3, chunks: 2, terms: 1 });
    expect((await search(store, "wing", "hybrid", 5, embed)).results.map(({ id }) => id)).toEqual(["title", "stop"]);
    expect(await add(store, inputs)).toEqual({ ...NONE, unchanged: 3 });
    await store.close();
  });

  it("has one document per id", async () => {
    const { store } = await opened();
    const twice = [documentOf("a", "x"), documentOf("b", "x"), documentOf("a", "y")];
    await expect(add(store, twice)).rejects.toThrow(/^two documents have the id "a"; expected unique ids$/);
    await expect(add(store, twice, "/x.jsonl")).rejects.toThrow(/^\/x\.jsonl: two documents have the id "a"/);
    await store.close();
  });

  it("is listed, refused a second time, deleted, and then missing", async () => {
    const { place, store } = await opened();
    await store.close();
    expect(await indexNames(place)).toEqual(["notes"]);
    await expect(createStore(place, "notes", settings)).rejects.toThrow("already");
    await deleteStore(place, "notes");
    expect(await indexNames(place)).toEqual([]);
    await expect(openStore(place, "notes")).rejects.toThrow("there is no index notes");
    await expect(deleteStore(place, "notes")).rejects.toThrow("there is no index notes");
    await expect(createStore(place, "../x", settings)).rejects.toThrow(UserError);
  });
});

test("every step of an addition is repeated if the index's storage fails once", async () => {
  const store = await createStore(folder, "faulty", settings);
  await add(store, corpus.slice(0, 3), "/a");
  await add(store, corpus.slice(3, 4), "/b");
  const failed = new Set<PropertyKey>();
  const failing = new Proxy(store, {
    get(_, name) {
      const value = store[name as keyof Store];
      if (typeof value !== "function") return value;
      return (...args: never[]) => {
        if (failed.has(name)) return (value as (...args: never[]) => unknown).apply(store, args);
        failed.add(name);
        return Promise.reject(new StoreFault("away"));
      };
    },
  });
  expect(await add(failing, corpus.slice(1, 5), "/a")).toEqual({ ...NONE, added: 1, unchanged: 3, removed: 1 });
  expect([...failed].sort()).toEqual(["idsFrom", "kept", "move", "put", "remove"]);
  expect((await store.idsFrom("/a")).sort()).toEqual(["d01", "d02", "d03", "d04"]);
  await store.close();
});

const both = hasPgvector ? test : test.skip;
both("both stores give the same, to the last bit by terms (skipped without Postgres and pgvector)", async () => {
  const stores = await Promise.all([
    createStore(folder, "both", settings),
    createStore(await postgres!.database(), "both", settings),
  ]);
  for (const store of stores) {
    await add(store, corpus);
    await add(store, [documentOf("d05", "jet plate"), documentOf("x", "wave")]);
    await store.remove(["d07"]);
  }
  const [sqlite, pg] = await Promise.all(stores.map(answers));
  expect(pg!.terms).toEqual(sqlite!.terms);
  expect(pg!.vectors.hits.map(({ chunk }) => chunk)).toEqual(sqlite!.vectors.hits.map(({ chunk }) => chunk));
  for (const [i, { score }] of pg!.vectors.hits.entries()) expect(score).toBeCloseTo(sqlite!.vectors.hits[i]!.score, 6);
  await Promise.all(stores.map((store) => store.close()));
});

/** Keeps Postgres from planning sequential scans, as it would for small tables. */
const NO_SCANS = `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database()); END $$`;

both("an approximate index is read by HNSW, and has more candidates than results", async () => {
  const place = await postgres!.database(NO_SCANS);
  const [store, exact] = [
    await createStore(place, "near", { ...settings, approximate: true }),
    await createStore(folder, "near", settings),
  ];
  const [query] = await embed(["jet"]);
  const hitsIn = async (from: Store) => {
    await add(from, corpus);
    return (await from.byVector(normalised(query!), 60)).hits.map(({ chunk }) => chunk);
  };
  const expected = await hitsIn(exact);
  expect(expected).toHaveLength(60);
  expect(await hitsIn(store)).toEqual(expected);
  await Promise.all([store.close(), exact.close()]);
  const client = new Client(place);
  await client.connect();
  const scans = "SELECT idx_scan::int AS scans FROM pg_stat_user_indexes WHERE indexrelname = 'vectors_hnsw'";
  await expect.poll(async () => (await client.query(scans)).rows).toEqual([{ scans: 1 }]);
  await client.end();
});

test("a file is not approximate, nor is an index without vectors", async () => {
  const without = { ...settings, embedding: null };
  for (const [place, options] of [
    [folder, settings],
    ["postgres://nobody@127.0.0.1/none", without],
  ] as const)
    await expect(createStore(place, "far", { ...options, approximate: true })).rejects.toThrow(
      /^approximate: expected an index with vectors in Postgres$/,
    );
});

both("a database that is away is one sentence, and an addition waits until it is back", async () => {
  const place = await postgres!.database();
  const store = await createStore(place, "notes", settings);
  await add(store, corpus.slice(0, 5));
  await postgres!.goDown();
  await expect(search(store, "jet", "bm25", 3, undefined)).rejects.toThrow(
    /^the index postgres:\/\/127\.0\.0\.1:\d+\/\w+ can't be used: /,
  );
  const adding = add(store, corpus).catch(() => undefined);
  await postgres!.goUp();
  // On a busy machine, the server may take longer to start than one addition waits.
  expect((await adding) ?? (await add(store, corpus))).toEqual({ ...NONE, added: 25, unchanged: 5 });
  await store.close();
});
