import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Imported, openPapers, type Papers } from "./papers.ts";
import { watch } from "./watch.ts";

const jsonl = fileURLToPath(new URL("sources/fixtures/papers.jsonl", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "modicum-papers-import-"));
let papers: Papers;
beforeAll(async () => {
  papers = await openPapers({ folder, embedding: "none" });
});
afterAll(async () => {
  await papers.close();
  rmSync(folder, { recursive: true });
});

const fileOf = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

test("unreadable sources are reported, and do not affect others", async () => {
  const large = fileOf("large.jsonl", "");
  truncateSync(large, 50_000_001);
  const undated = fileOf("page.txt", "A\n\nWords.\n\n  • 1 authors\n·\nMar 20\n");
  const strange = fileOf("strange.json", '{\n"name": "none"\n}\n');
  const { sources } = await papers.import([large, join(folder, "none"), undated, jsonl, strange]);
  expect(sources.map(({ failure }) => failure)).toEqual([
    `${large}: 50 MB, expected at most 50`,
    `${join(folder, "none")}: there is no such file`,
    `${undated}: no date of this page has a year; set it with --year`,
    undefined,
    expect.stringMatching(/strange\.json: no papers in it; line 1: /),
  ]);
  expect(sources[3]).toMatchObject({ papers: 2, faults: [] });
  expect((await papers.import([undated], { year: 2025 })).sources).toMatchObject([{ added: 1 }]);
});

test("a file of the same papers in another form adds to them", async () => {
  const more = fileOf("more.jsonl", '{"title":"EARLY EXIT","arxiv":"2401.00001","votes":7}\n{"title":\n');
  const { sources } = await papers.import([jsonl, more]);
  expect(sources[1]).toMatchObject({ changed: 1, added: 0, faults: [{ place: "line 2" }] });
  expect(await papers.store.papers.get("early-exit")).toMatchObject({
    id: "2401.00001",
    authors: ["Ann Bee"],
    votes: 7,
  });
  expect((await papers.search("exit")).results.map(({ paper }) => paper.id)).toEqual(["2401.00001"]);
});

test("watching imports until it is stopped", async () => {
  const [stop, seen]: [AbortController, Imported[]] = [new AbortController(), []];
  const onImported = (imported: Imported) => {
    seen.push(imported);
    stop.abort();
  };
  await watch(papers, [jsonl], { every: 60, onImported }, stop.signal);
  expect(seen).toMatchObject([{ sources: [{ papers: 2, unchanged: 2 }] }]);
});
