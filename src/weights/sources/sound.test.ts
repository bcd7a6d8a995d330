import { mkdirSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileState } from "../file-state.ts";
import { sha256, tempFolder, withEnv, writeAt } from "./helpers.testing.ts";
import { modelFolder } from "./home.ts";
import { localModel, resolveModel } from "./index.ts";
import { identity } from "./record.ts";
import { DamagedModel } from "./sound.ts";
import { cachedModel, keepModel, listModels } from "./store.ts";

const HASH = sha256(Buffer.from("GGUF!"));
const SENTENCE = /m\.gguf is damaged: its SHA-256 differs from the download's; `modicum pull pypi:tiny` repairs it$/;

/** Caches a model of five bytes that is known to be sound. */
async function modelPath(): Promise<string> {
  withEnv({ MODICUM_HOME: tempFolder() });
  const path = writeAt(join(modelFolder("pypi:tiny"), "m.gguf"), "GGUF!");
  await keepModel({ name: "pypi:tiny", file: "m.gguf", bytes: 5, sha256: HASH, source: "pypi:tiny:m.gguf" });
  expect(await cachedModel("pypi:tiny")).toBeDefined();
  return path;
}

/** Marks a file as sound in its current state. */
const note = (path: string) =>
  writeAt(join(modelFolder("pypi:tiny"), "model.state"), sha256(Buffer.from(`${HASH}\0${fileState(path)}`)));

test("a file that was changed in place is told by whatever asks for the model", async () => {
  writeAt(await modelPath(), "GGUG!");
  await expect(cachedModel("pypi:tiny")).rejects.toThrow(DamagedModel);
  await expect(localModel("pypi:tiny")).rejects.toThrow(SENTENCE);
  await expect(resolveModel("pypi:tiny", { offline: true })).rejects.toThrow(SENTENCE);
  expect(await listModels()).toMatchObject([{ name: "pypi:tiny", fault: expect.stringMatching(SENTENCE) }]);
});

test("a file that is as it was when it was last read is not read again, unless that is asked for", async () => {
  const path = await modelPath();
  writeAt(path, "GGUG!");
  note(path);
  expect(await cachedModel("pypi:tiny")).toBeDefined();
  await expect(cachedModel("pypi:tiny", HASH, true)).rejects.toThrow(DamagedModel);
  expect(await listModels(true)).toMatchObject([{ fault: expect.stringMatching(SENTENCE) }]);
});

test("files are taken as they are where their state cannot be noted, unless they are to be read", async () => {
  const path = await modelPath();
  const state = join(modelFolder("pypi:tiny"), "model.state");
  rmSync(state);
  mkdirSync(state);
  writeAt(path, "GGUG!");
  expect(await cachedModel("pypi:tiny")).toBeDefined();
  await expect(cachedModel("pypi:tiny", HASH, true)).rejects.toThrow(DamagedModel);
});

test("a file that was only touched is sound", async () => {
  const path = await modelPath();
  utimesSync(path, 1000, 1000);
  expect(await cachedModel("pypi:tiny")).toBeDefined();
});

test.each([
  ["with its files' hashes, the damaged one", true, ["b.bin"]],
  ["with one hash for all, all of them", false, ["a.json", "b.bin"]],
])("of a model of several files, kept %s is told", async (_, each, damaged) => {
  withEnv({ MODICUM_HOME: tempFolder() });
  const inside = (file: string) => join(modelFolder("tiny"), "model", file);
  const files = ["a.json", "b.bin"].map((path) => ({ path, bytes: 5, sha256: HASH }));
  for (const { path } of files) writeAt(inside(path), "GGUF!");
  const list = files.map(({ sha256, ...file }) => ({
    ...file,
    path: join("model", file.path),
    ...(each && { sha256 }),
  }));
  await keepModel({
    name: "tiny",
    file: "model",
    bytes: 10,
    sha256: identity(files),
    source: "pypi:tiny",
    files: list,
  });
  expect(await cachedModel("tiny")).toBeDefined();
  writeAt(inside("b.bin"), "GGUG!");
  await expect(cachedModel("tiny")).rejects.toMatchObject({ files: damaged.map(inside) });
});
