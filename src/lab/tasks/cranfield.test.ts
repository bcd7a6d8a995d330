import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import type { TaskOf } from "../task.ts";
import { allItems } from "./items.testing.ts";
import { findTask } from "./registry.ts";

function collection(): string {
  const folder = tempFolder();
  writeAt(
    join(folder, "cran.all.1400"),
    ".I 1\n.T\nwings in\na stream .\n.A\nsomeone\n.B\n1958\n.W\nwings in\na stream .\n  lift is more .\n.I 2\n.T\nonly a title\n.A\n.B\n.W\n",
  );
  writeAt(join(folder, "cran.qry"), ".I 001\n.W\nwhat of\nwings .\n.I 004\n.W\nwhat of heat .\n");
  writeAt(join(folder, "cranqrel"), "1 1 1 \n1 2 4\n  2 1 -1\n2 2 3\n");
  return folder;
}

const task = async (spec: string) => (await findTask(spec)) as TaskOf<"ranking">;

test("queries by their position, documents shared, a complete answer worth the most", async () => {
  const items = await allItems(await task(`cranfield:${collection()}`));
  const [wings, heat] = [...items].sort((a, b) => Number(a.id) - Number(b.id));
  expect(wings).toEqual({
    ...{ kind: "ranking", id: "1", query: "what of wings ." },
    documents: [
      { id: "1", text: "wings in a stream . lift is more ." },
      { id: "2", text: "only a title" },
    ],
    relevance: { 1: 4, 2: 1 },
  });
  expect(heat).toMatchObject({ id: "2", query: "what of heat .", relevance: { 1: 0, 2: 2 } });
  expect(heat!.documents).toBe(wings!.documents);
});

test("candidates in a run's order, cut, without the source of a query", async () => {
  const folder = collection();
  const run = join(folder, "bm25.run");
  writeAt(run, "1 Q0 2 2 0.5 x\n1 Q0 1 1 0.9 x\n2 Q0 2 1 1 x\n2 Q0 1 2 0.1 x\n");
  const spec = `cranfield:${folder},candidates=${run},words=2`;
  const byId = async (more: string) => {
    const items = await allItems(await task(spec + more));
    return items.sort((a, b) => Number(a.id) - Number(b.id));
  };
  const [wings, heat] = await byId("");
  expect(wings!.documents.map(({ id, text }) => [id, text])).toEqual([
    ["1", "wings in"],
    ["2", "only a"],
  ]);
  expect([heat!.documents.map(({ id }) => id), heat!.relevance]).toEqual([["2", "1"], { 1: 0, 2: 2 }]);
  const [, dropped] = await byId(",source=drop");
  expect([dropped!.documents.map(({ id }) => id), dropped!.relevance]).toEqual([["2"], { 2: 2 }]);
  const [first] = await byId(",top=1");
  expect(first!.documents.map(({ id }) => id)).toEqual(["1"]);
});

test.each([
  ["1 Q0 3 1 0.5 x\n", "there is no document 3 in the collection"],
  ["1 Q0 2\n", 'line 1: expected "query Q0 document rank score tag", got "1 Q0 2"'],
])("a run %j that does not fit is refused in one sentence", async (text, sentence) => {
  const folder = collection();
  const run = join(folder, "bm25.run");
  writeAt(run, text);
  await expect(allItems(await task(`cranfield:${folder},candidates=${run}`))).rejects.toThrow(`${run}: ${sentence}`);
});

test("a folder that does not hold the collection is refused in one sentence", async () => {
  const folder = collection();
  writeAt(join(folder, "cran.qry"), "no\n");
  await expect(allItems(await task(`cranfield:${folder}`))).rejects.toThrow(
    `${join(folder, "cran.qry")}: expected a first line ".I 1", got "no"`,
  );
  rmSync(join(folder, "cran.all.1400"));
  await expect(allItems(await task(`cranfield:${folder}`))).rejects.toThrow(
    `${folder} has no file cran.all.1400; expected the Cranfield collection's folder`,
  );
});
