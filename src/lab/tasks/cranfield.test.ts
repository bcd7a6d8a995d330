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

test("queries by their position, documents shared, a complete answer worth most", async () => {
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

test("a folder that is not the collection's is one sentence", async () => {
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
