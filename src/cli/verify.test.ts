import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PreparedStore } from "../weights/prepared/store.ts";
import { sha256, tempFolder, withEnv, writeAt } from "../weights/sources/helpers.testing.ts";
import { modelFolder, programsFolder } from "../weights/sources/home.ts";
import { keepModel } from "../weights/sources/store.ts";
import { verify } from "./verify.ts";

const body = Buffer.from("GGUF!");

async function packageFolder(name: string): Promise<string> {
  const path = writeAt(join(modelFolder(name), "m.gguf"), body);
  await keepModel({ name, file: "m.gguf", bytes: body.length, sha256: sha256(body), source: "pypi:x:m.gguf" });
  return path;
}

function prepared(model: string): string {
  const folder = join(programsFolder(), model, "auto");
  mkdirSync(folder, { recursive: true });
  const store = new PreparedStore(folder, "a model");
  store.addFloats("v", { shape: [3], data: store.append(Float32Array.of(1, 2, 3)) });
  store.commit();
  return store.file;
}

test("models and prepared weights in order", async () => {
  withEnv({ MODICUM_HOME: tempFolder() });
  await packageFolder("one");
  prepared("a");
  prepared("b");
  expect(await verify()).toEqual([
    { name: "model one", needed: false, ok: true, found: "0.0 MB as downloaded" },
    { name: "prepared weights, read whole", needed: false, ok: true, found: "2 as written" },
  ]);
});

test("a damaged model is reported with its remedy; damaged prepared weights are removed", async () => {
  withEnv({ MODICUM_HOME: tempFolder() });
  writeFileSync(await packageFolder("one"), "GGUG!");
  await packageFolder("two");
  const file = prepared("a");
  prepared("b");
  writeFileSync(file, readFileSync(file).fill(255, 4, 8));
  expect(await verify()).toMatchObject([
    {
      name: "model one",
      ok: false,
      damaged: true,
      found: expect.stringMatching(/m\.gguf is damaged.*`modicum pull one` repairs it/),
    },
    { name: "model two", ok: true },
    {
      name: "prepared weights, read whole",
      ok: false,
      damaged: true,
      found: `removed, to be rebuilt when needed: ${join(file, "..")}`,
    },
  ]);
  expect((await verify()).at(-1)).toMatchObject({ ok: true, found: "1 as written" });
});
