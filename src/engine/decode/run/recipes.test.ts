import { expect, test } from "vitest";
import { z } from "zod";
import type { Recipe } from "../../../savings/recipe.ts";
import type { Saving } from "../../../savings/saving.ts";
import type { SavingHost } from "../../../savings/seams.ts";
import { Recipes } from "./recipes.ts";

/** A saving with a file that changes, and a log of its events. */
function changing() {
  const log: string[] = [];
  const file = { version: 1 };
  const saving: Saving = {
    ...{ name: "changing", group: "routing", summary: "", needs: [], options: z.unknown() },
    ...{ unsupported: () => undefined, seams: () => [], check: async () => {} },
    async prepare() {
      const { version } = file;
      log.push(`prepared ${version}`);
      return {
        current: () => file.version === version,
        plan: () => ({ state: { prompt: `${version}`, answer: "" } }),
        [Symbol.dispose]: () => void log.push(`freed ${version}`),
      };
    },
  };
  const recipe: Recipe = [{ text: "changing:file=a", saving, options: {} }];
  const recipes = new Recipes({} as SavingHost, async () => {});
  return { log, file, recipe, recipes };
}

test("a recipe is prepared again once a file behind it has changed, and is freed when its last user leaves", async () => {
  const { log, file, recipe, recipes } = changing();
  const [first, second] = [await recipes.use(recipe), await recipes.use(recipe)];
  expect(log).toEqual(["prepared 1"]);
  file.version = 2;
  const [third, fourth] = await Promise.all([recipes.use(recipe), recipes.use(recipe)]);
  expect(log).toEqual(["prepared 1", "prepared 2"]);
  expect([first, third, fourth].map((lease) => lease.plan(1).state.prompt)).toEqual(["1", "2", "2"]);
  first[Symbol.dispose]();
  expect(log).toHaveLength(2);
  second[Symbol.dispose]();
  expect(log.at(-1)).toBe("prepared 2");
  await Promise.resolve();
  expect(log.at(-1)).toBe("freed 1");
  third[Symbol.dispose]();
  fourth[Symbol.dispose]();
  file.version = 3;
  (await recipes.use(recipe))[Symbol.dispose]();
  expect(log.slice(3)).toEqual(expect.arrayContaining(["freed 2", "prepared 3"]));
  recipes[Symbol.dispose]();
  await Promise.resolve();
  expect(log.at(-1)).toBe("freed 3");
});
