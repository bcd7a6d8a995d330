import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { readText, sha256, tempFolder, withEnv, writeAt } from "./helpers.testing.ts";
import { modelFolder, programsFolder } from "./home.ts";
import { cachedModel, keepModel, listModels, preparedFolder, removeModel } from "./store.ts";

/** Caches a model of five bytes. */
async function keep(name: string, file = "m.gguf"): Promise<string> {
  const path = writeAt(join(modelFolder(name), file), "GGUF!");
  await keepModel({ name, file, bytes: 5, sha256: HASH, source: `pypi:x:${file}` });
  return path;
}
const HASH = sha256(Buffer.from("GGUF!"));

const freshHome = () => withEnv({ MODICUM_HOME: tempFolder() });

test("a kept model is found again, as the same thing", async () => {
  freshHome();
  const path = await keep("tiny");
  const model = { name: "tiny", path, bytes: 5, sha256: HASH, source: "pypi:x:m.gguf" };
  expect(await cachedModel("tiny")).toEqual(model);
  expect(await cachedModel("tiny", HASH)).toEqual(model);
  expect(await cachedModel("tiny", "cd"), "another hash is wanted").toBeUndefined();
  expect(await cachedModel("other")).toBeUndefined();
});

test("keeping a model clears away wheels, parts and older files", async () => {
  freshHome();
  for (const file of ["old.gguf", "w.whl", "w.whl.part", "m.gguf.tmp"]) writeAt(join(modelFolder("tiny"), file), "x");
  await keep("tiny");
  expect(readdirSync(modelFolder("tiny")).sort()).toEqual(["m.gguf", "model.json"]);
});

test("a model that is not whole is none", async () => {
  freshHome();
  const path = await keep("tiny");
  const record = join(modelFolder("tiny"), "model.json");
  const good = readText(record);
  writeAt(path, "GGUF");
  expect(await cachedModel("tiny"), "the file is short").toBeUndefined();
  writeAt(path, "GGUF!");
  for (const bad of [
    "",
    "{",
    "null",
    "[]",
    "3",
    "{}",
    good.replace('"bytes": 5', '"bytes": "5"'),
    good.replace("file", "fyle"),
  ]) {
    writeAt(record, bad);
    expect(await cachedModel("tiny"), bad).toBeUndefined();
    expect(await listModels()).toEqual([]);
  }
  writeAt(record, good);
  expect(await cachedModel("tiny")).toBeDefined();
});

test("models are listed by name; half-fetched ones are not", async () => {
  freshHome();
  expect(await listModels()).toEqual([]);
  await keep("b");
  await keep("pypi:a:dir/m.gguf");
  await keep("a");
  writeAt(join(modelFolder("c"), "w.whl.part"), "x");
  writeAt(join(modelFolder("c"), "..", "stray"), "x");
  expect((await listModels()).map((model) => model.name)).toEqual(["a", "b", "pypi:a:dir/m.gguf"]);
});

test("a home that is a file is said, not taken for an empty one", async () => {
  withEnv({ MODICUM_HOME: writeAt(join(tempFolder(), "home"), "x") });
  await expect(listModels()).rejects.toThrow(/^cannot read \S+models: ENOTDIR$/);
});

test("prepared weights have one folder for each model, by whatever path it is named", () => {
  freshHome();
  const folder = tempFolder();
  const path = writeAt(join(folder, "m.gguf"), "GGUF!");
  const prepared = preparedFolder(path);
  expect(join(prepared, "..")).toBe(programsFolder());
  expect(preparedFolder(join(folder, ".", "m.gguf"))).toBe(prepared);
  writeAt(path, "GGUF!!");
  expect(preparedFolder(path)).toBe(prepared);
  const copy = writeAt(join(folder, "copy.gguf"), "GGUF!");
  expect(new Set([prepared, preparedFolder(copy), preparedFolder(folder)]).size).toBe(3);
});

test("removing takes the model and its prepared weights, nothing else", async () => {
  freshHome();
  const prepared = preparedFolder(await keep("tiny"));
  writeAt(join(prepared, "weights.bin"), "x");
  const other = preparedFolder(await keep("other"));
  writeAt(join(other, "weights.bin"), "x");
  await removeModel("tiny");
  expect(existsSync(modelFolder("tiny"))).toBe(false);
  expect(existsSync(prepared)).toBe(false);
  expect(existsSync(other)).toBe(true);
  expect((await listModels()).map((model) => model.name)).toEqual(["other"]);
});

test("a half-fetched model can be removed, by any spelling of its package", async () => {
  freshHome();
  writeAt(join(modelFolder("pypi:tiny-model"), "w.whl.part"), "x");
  await removeModel("pypi:Tiny_Model");
  expect(existsSync(modelFolder("pypi:tiny-model"))).toBe(false);
});

test("what was not downloaded cannot be removed", async () => {
  freshHome();
  const path = await keep("tiny");
  const own = writeAt(join(tempFolder(), "own.gguf"), "x");
  for (const name of ["", ".", "..", "../models", "models", own]) {
    await expect(removeModel(name), name).rejects.toThrow(UserError);
  }
  await expect(removeModel("tyni")).rejects.toThrow('no model called "tyni" is downloaded; did you mean "tiny"?');
  expect(existsSync(path) && existsSync(own)).toBe(true);
});
