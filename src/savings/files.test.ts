import path from "node:path";
import { expect, test } from "vitest";
import { absoluteText, filesOf } from "./files.ts";
import { parseRecipe } from "./recipe.ts";

test("files that a recipe names, as written; a step that means the same in every folder has them absolute", () => {
  const recipe = parseRecipe(["xattention:stride=16,thresholds=a b/p=1.json,threshold=0.5"]);
  expect(filesOf(recipe)).toEqual(["a b/p=1.json"]);
  expect(recipe.map(absoluteText)).toEqual([
    `xattention:stride=16,thresholds=${path.resolve("a b/p=1.json")},threshold=0.5`,
  ]);
  const plain = parseRecipe(["xattention:threshold=0.5"]);
  expect(filesOf(plain)).toEqual([]);
  expect(plain.map(absoluteText)).toEqual(["xattention:threshold=0.5"]);
});
