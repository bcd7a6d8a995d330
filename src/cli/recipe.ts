import { readFile } from "node:fs/promises";
import { parseRecipe, type Recipe, recipeFromValues } from "../savings/recipe.ts";
import { UserError } from "../util/errors.ts";

/** The recipe of a call: the file's savings, then those of `--save`, in order. @throws UserError */
export async function recipeOf(saves: readonly string[], file: string | undefined): Promise<Recipe> {
  const fromFile = file === undefined ? [] : recipeFromValues(await readValues(file), file);
  return [...fromFile, ...parseRecipe(saves)];
}

const unread: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
};

async function readValues(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`cannot read the recipe ${file}: ${unread[error.code ?? ""] ?? error.message}`);
  });
  // YAML is a superset of JSON, but its messages would puzzle who wrote JSON.
  const parse: (text: string) => unknown = /\.ya?ml$/i.test(file) ? (await import("yaml")).parse : JSON.parse;
  try {
    return parse(text);
  } catch (error) {
    throw new UserError(`the recipe ${file} cannot be read: ${(error as Error).message.split("\n")[0]}`);
  }
}
