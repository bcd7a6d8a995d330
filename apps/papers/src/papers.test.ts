import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPapers, type Papers } from "./papers.ts";

/** A saved page of daily papers, which is not part of the repository. */
const page = fileURLToPath(new URL("../../../../shared/data/papers/daily-papers.txt", import.meta.url));
const SEC = "When Neural Code Completion Models Size up the Situation";
const DYNAMAX = "DYNAMAX";

describe.skipIf(!existsSync(page))("the saved page, with MiniLM", () => {
  const folder = mkdtempSync(join(tmpdir(), "modicum-papers-"));
  let papers: Papers;
  beforeAll(async () => {
    papers = await openPapers({ folder });
  });
  afterAll(async () => {
    await papers.close();
    rmSync(folder, { recursive: true });
  });

  test("has 17 papers, which a second import does not change", async () => {
    const { sources, unindexed } = await papers.import([page]);
    expect(sources).toMatchObject([{ papers: 17, added: 17, faults: [], failure: undefined }]);
    expect(unindexed).toBeUndefined();
    expect((await papers.import([page])).sources).toMatchObject([{ papers: 17, added: 0, unchanged: 17 }]);
    expect(await papers.store.papers.days()).toEqual([{ day: "2025-12-10", papers: 17 }]);
    expect(await papers.store.receipts.latest()).toMatchObject([{ task: "index" }]);
  }, 60_000);

  test('answers "leaving layers early" with SEC or DYNAMAX first and both within five', async () => {
    const { results, receipt } = await papers.search("leaving layers early", { top: 5 });
    const places = [SEC, DYNAMAX].map((title) => results.findIndex(({ paper }) => paper.title.startsWith(title)));
    expect(Math.min(...places)).toBe(0);
    expect(Math.max(...places)).toBeLessThan(5);
    expect(receipt.flops.spent).toBeGreaterThan(0);
  }, 60_000);

  test("has a vector for each paper, and the papers closest to one", async () => {
    const ids = await papers.store.papers.ids();
    expect((await papers.vectorsOf(ids)).size).toBe(17);
    const mamba = ids.find((id) => id.startsWith("mamba"))!;
    const titles = (await papers.similar(mamba, 3))!.results.map(({ paper }) => paper.title);
    expect(titles).toHaveLength(3);
    expect(titles[0]).toContain(DYNAMAX);
  });

  test("assigns papers the user's topics that fit, at most one each, again when the topics change", async () => {
    const labels = ["vision language models", "early exit", "state-space models", "cooking"];
    await papers.setTopics(labels);
    const papersOf = (topic: string) => papers.store.papers.list({ topic });
    expect((await papersOf("early exit")).map(({ title }) => title)).toContainEqual(expect.stringContaining(DYNAMAX));
    expect((await papersOf("state-space models")).map(({ title }) => title)).toContainEqual(
      expect.stringContaining("Lyapunov"),
    );
    const counts = new Map((await papers.store.topics.counts()).map(({ label, papers }) => [label, papers]));
    expect(counts.get("cooking")).toBe(0);
    // By cosine alone, most of the 17 would get this label, since its cosines are high for all papers.
    expect(counts.get("vision language models")).toBeLessThan(8);
    await papers.setTopics([]);
    expect((await papers.store.papers.list({ topic: "state-space models" })).length).toBe(0);
  }, 60_000);
});

test("without an embedding model, search goes by words, and nothing is similar", async () => {
  const folder = mkdtempSync(join(tmpdir(), "modicum-papers-"));
  await using papers = await openPapers({ folder, embedding: "none" });
  await papers.import([fileURLToPath(new URL("sources/fixtures/papers.jsonl", import.meta.url))]);
  expect((await papers.search("exit")).results.map(({ paper }) => paper.title)).toEqual(["Early Exit"]);
  expect(await papers.similar("early-exit")).toBeUndefined();
  await expect(papers.vectorsOf(["early-exit"])).rejects.toThrow("without an embedding model, papers have no vectors");
  rmSync(folder, { recursive: true });
});

test("papers are stored even if the embedding model is unavailable; search then uses words and says so", async () => {
  const folder = mkdtempSync(join(tmpdir(), "modicum-papers-"));
  const file = fileURLToPath(new URL("sources/fixtures/papers.jsonl", import.meta.url));
  await using papers = await openPapers({ folder, embedding: "hf:example/missing", offline: true });
  const { sources, unindexed } = await papers.import([file]);
  expect(sources).toMatchObject([{ added: 2 }]);
  expect(unindexed).toContain("missing");
  const { results, missing } = await papers.search("vision");
  expect(results.map(({ paper }) => paper.title)).toEqual(["Regions"]);
  expect(missing).toBe(unindexed);
  await expect(papers.search(" ")).rejects.toThrow("the query is empty");
  rmSync(folder, { recursive: true });
});

test.each(["nope", "nope@layers=2", "./nope"])(
  "an unknown embedding model %s is refused before a store is created",
  async (embedding) => {
    const folder = mkdtempSync(join(tmpdir(), "modicum-papers-"));
    const opening = openPapers({ folder, embedding });
    await expect(opening).rejects.toMatchObject({
      message: expect.stringMatching(/^--embedding: .*nope/),
      exitCode: 2,
    });
    expect(readdirSync(folder)).toEqual([]);
    rmSync(folder, { recursive: true });
  },
);
