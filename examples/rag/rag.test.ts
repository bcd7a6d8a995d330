import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { deleteIndex } from "modicum/search";
import { answer, INDEX, indexFolder } from "./rag.ts";

after(() => deleteIndex(INDEX));

test("the note with the answer answers a question", async () => {
  await indexFolder(join(import.meta.dirname, "notes"));
  const { text, sources } = await answer("Who is the librarian?");
  assert.match(sources[0]!, /library\.md$/);
  assert.match(text, /Marta/);
});
