import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { load } from "../../index.ts";

test("a model with images says that they are not read", async () => {
  const folder = fileURLToPath(new URL("../../models/fixtures/gemma3-images", import.meta.url));
  const notices: string[] = [];
  // The fixture has no tokenizer, which is found out later.
  const loading = load(folder, { onNotice: (sentence) => notices.push(sentence) });
  await expect(loading).rejects.toThrow("tokenizer");
  expect(notices).toEqual([expect.stringContaining("the model's images are not read, its text alone")]);
});
