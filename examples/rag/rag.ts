/** Answers a question about the notes in a folder: npm start -- "When is the library open?" */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openAnswerer } from "modicum";
import { createIndex, listIndexes, openIndex } from "modicum/search";

export const INDEX = "example-notes";

/** Updates the index: only changed notes are embedded. */
export async function indexFolder(folder: string): Promise<void> {
  const index = (await listIndexes()).includes(INDEX) ? await openIndex(INDEX) : await createIndex(INDEX);
  try {
    for (const name of await readdir(folder)) await index.addFile(join(folder, name));
  } finally {
    await index.close();
  }
}

export async function answer(question: string) {
  const answerer = await openAnswerer("smollm2", { index: INDEX, answer: { retrieval: "always", passages: 1 } });
  try {
    const { text, documents, receipt } = await answerer.answer(question, { maxTokens: 48 });
    return { text, sources: documents.map(({ id }) => id), receipt };
  } finally {
    await answerer.dispose();
  }
}

if (process.argv[1] === import.meta.filename) {
  const [question] = process.argv.slice(2);
  if (question === undefined) throw new Error("expected a question");
  await indexFolder(join(import.meta.dirname, "notes"));
  console.log(await answer(question));
}
