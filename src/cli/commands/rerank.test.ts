import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { documentsOf } from "./rerank.ts";

/** The ids assigned to documents, some of which have ids of their own. */
async function ids(...args: (string | number | undefined)[]): Promise<(string | number)[]> {
  const file = path.join(tempFolder(), "documents.jsonl");
  writeFileSync(
    file,
    args.map((id, i) => `${JSON.stringify({ ...(id !== undefined && { id }), text: `t${i}` })}\n`).join(""),
  );
  return (await documentsOf(file)).map(({ id }) => id);
}

test("a document without an id is named by its index", async () => {
  expect(await ids(undefined, "a", undefined)).toEqual([0, "a", 2]);
  expect(await ids(1, 0)).toEqual([1, 0]);
});

test.each([
  [[undefined, 0], /document 0 has no id, and another has the id 0/],
  [["1", undefined], /document 1 has no id, and another has the id 1; expected ids for all$/],
])("an index is never another's id: %j", async (value, sentence) => {
  await expect(ids(...value)).rejects.toThrow(sentence);
});

test.each([
  ['{"text": ""}', /documents\.jsonl.*1.*text.*expected a text, not empty/],
  ["", /documents\.jsonl has no documents; expected one per line$/],
])("documents %j are refused", async (contents, sentence) => {
  const file = path.join(tempFolder(), "documents.jsonl");
  writeFileSync(file, contents);
  await expect(documentsOf(file)).rejects.toThrow(sentence);
});
