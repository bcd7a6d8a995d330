import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import type { TaskOf } from "../task.ts";
import { allItems } from "./items.testing.ts";
import { findTask } from "./registry.ts";

const written = (text: string): string => writeAt(join(tempFolder(), "test.csv"), text);
const task = async (spec: string) => (await findTask(spec)) as TaskOf<"label">;

test("texts and the labels in use, in alphabetical order, one list for all", async () => {
  const file = written('text,category\nIs it here?,card_arrival\n"Lost, alas",lost_card\nAnd now?,card_arrival\n');
  const items = await allItems(await task(`banking77:${file}`));
  expect([...items].sort((a, b) => Number(a.id) - Number(b.id))).toEqual([
    { kind: "label", id: "2", text: "Is it here?", labels: ["card arrival", "lost card"], gold: 0 },
    { kind: "label", id: "3", text: "Lost, alas", labels: ["card arrival", "lost card"], gold: 1 },
    { kind: "label", id: "4", text: "And now?", labels: ["card arrival", "lost card"], gold: 0 },
  ]);
  // Items share the list of labels, so that it is embedded once.
  expect(items[1]!.labels).toBe(items[0]!.labels);
  // All labels are used, however few items are taken.
  expect((await allItems(await task(`banking77:${file}`), { limit: 1 }))[0]!.labels.length).toBe(2);
});

test("TagMyNews has its labels in another column", async () => {
  const file = written("text,category_name,label\na,world,4\nb,sport,2\n");
  expect(await allItems(await task(`tagmynews:${file}`))).toMatchObject([{ labels: ["sport", "world"] }, {}]);
});

test("JSON lines are accepted; a text of the wrong type is reported", async () => {
  const lines = (label: unknown) =>
    `{"text":"a","category":"x","n":1}\n{"text":"b","category":${JSON.stringify(label)}}\n`;
  const file = (label: unknown) => writeAt(join(tempFolder(), "test.jsonl"), lines(label));
  expect(await allItems(await task(`banking77:${file("y")}`))).toHaveLength(2);
  await expect(allItems(await task(`banking77:${file(2)}`))).rejects.toThrow(
    'line 2: field "category": expected a text',
  );
});

test.each([
  ["text,category\na,x\n", "expected two labels or more, got 1"],
  ["text,category\n", "expected two labels or more, got 0"],
  ["text,label\na,x\n", 'line 2: field "category": expected a text; found no such field, only "text", "label"'],
  ["text,category,text\na,x,b\n", 'two columns are called "text"'],
])("%j is refused", async (text, message) => {
  const file = written(text);
  await expect(allItems(await task(`banking77:${file}`))).rejects.toThrow(`${file}: ${message}`);
});
