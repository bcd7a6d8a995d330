import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { packageRoot } from "../../util/package-root.ts";
import { modelHash } from "./model-hash.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-model-hash-"));
afterAll(() => rmSync(folder, { recursive: true }));

const put = (name: string, text: string) => {
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), text);
};
const hash = () => modelHash({ name: "m", path: folder, source: "file", bytes: 0 });

test("what a loader reads of a folder is hashed, and what people and savings put beside it is not", async () => {
  put("config.json", "{}");
  put("model.safetensors", "weights");
  const before = await hash();
  for (const name of ["README.md", "receipt.json", "train.yaml", "sec/exits.json", "sec/exits.safetensors"])
    put(name, "x");
  expect(await hash()).toBe(before);
  const seen = new Set([before]);
  for (const name of ["config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"]) {
    put(name, "other");
    seen.add(await hash());
  }
  expect(seen.size).toBe(5);
});

test.each(["code-tiny/sec/exits.json", "expertrag-world/expertrag/gates.json"])(
  "packages/models/%s is of the model in whose folder it lies",
  async (file) => {
    const models = join(packageRoot(), "packages/models");
    const { model } = JSON.parse(readFileSync(join(models, file), "utf8"));
    const [name] = file.split("/");
    expect(model.sha256).toBe(await modelHash({ name: name!, path: join(models, name!), source: "file", bytes: 0 }));
  },
);
