/** Our encoder as a child process of the bench `embed`. */
import { load } from "../src/index.ts";
import { serveTexts } from "./embed-side.ts";

await serveTexts(async (path) => {
  const model = await load(path);
  return async (texts) => (await model.embed(texts)).embeddings.at(-1)!;
});
