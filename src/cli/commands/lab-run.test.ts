import { expect, test } from "vitest";
import { registerRecipe } from "../../savings/registered.ts";
import { tempFolder, withEnv } from "../../weights/sources/helpers.testing.ts";
import { resolvedModel } from "./lab-run.ts";

test("a registered recipe in a model's place is reported as model and recipe", async () => {
  withEnv({ MODICUM_HOME: tempFolder() });
  const recipe = ["xattention:threshold=0.5"];
  await registerRecipe("tiny@fast", { model: "some/tiny.gguf", recipe, created: new Date().toISOString() });
  await expect(resolvedModel("tiny@fast", new AbortController().signal)).rejects.toThrow(
    '--model: tiny@fast is a recipe; expected its model and recipe: --model some/tiny.gguf --recipe "xattention:threshold=0.5"',
  );
});
