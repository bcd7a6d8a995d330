import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { writeRecord } from "../../weights/adapter/record.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { define } from "./export.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-export-cli-"));
process.env["MODICUM_HOME"] = path.join(root, "home");
afterAll(() => rmSync(root, { recursive: true }));

const written = { stdout: "", stderr: "" };
beforeEach(() => {
  Object.assign(written, { stdout: "", stderr: "" });
  for (const name of ["stdout", "stderr"] as const)
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      written[name] += text;
      return true;
    });
});
afterEach(() => vi.restoreAllMocks());

const model = fileURLToPath(new URL("../../models/fixtures/llama-tiny.gguf", import.meta.url));

function run(...words: string[]): Promise<unknown> {
  const command = new Command("export").exitOverride();
  define(command);
  return command.parseAsync(words, { from: "user" });
}

test("one line names the folder; progress is on stderr", async () => {
  const folder = path.join(root, "model");
  await run(model, folder, "--quant", "f32");
  expect(written.stdout).toBe(`${folder}  0.2 MB  model.onnx.data, model.onnx\n`);
  expect(written.stderr).toMatch(/^model: 0\.\d MB of 0\.2 MB\n/);
  expect(readdirSync(folder).sort()).toEqual(["model.onnx", "model.onnx.data"]);
  expect(() => openCheckpoint(folder)).toThrow(/model\.onnx: Modicum exported this file for other programs/);
});

test("an adapter of plain text in ONNX: the note names prompts, which other programs write as well", async () => {
  const [plain, lora] = [
    path.join(root, "plain"),
    new URL("../../weights/adapter/fixtures/llama-gguf", import.meta.url),
  ];
  cpSync(lora, plain, { recursive: true });
  await writeRecord(plain, { prompt: "raw" });
  await run(model, path.join(root, "plain-onnx"), "--adapter", plain);
  expect(written.stderr).toMatch(/plain text: prompt the model without its chat template, like run --raw\n$/);
});

test("a folder of safetensors", async () => {
  const folder = path.join(root, "folder");
  await run(model, folder, "--format", "safetensors", "--type", "bf16");
  const files = "config.json, generation_config.json, tokenizer.json, tokenizer_config.json, model.safetensors";
  expect(written.stdout).toBe(`${folder}  0.1 MB  ${files}\n`);
});

test("a GGUF, and an adapter's", async () => {
  const folder = path.join(root, "gguf");
  await run(model, folder, "--format", "gguf", "--type", "q8_0");
  expect(written.stdout).toBe(`${folder}  0.0 MB  Modelfile, llama-tiny-Q8_0.gguf\n`);
  const lora = fileURLToPath(new URL("../../weights/adapter/fixtures/llama-gguf", import.meta.url));
  await run(model, path.join(root, "lora"), "--format", "gguf", "--adapter", lora);
  expect(readdirSync(path.join(root, "lora")).sort()).toEqual(["Modelfile", "llama-gguf-lora.gguf"]);
  const refused = run(model, path.join(root, "a"), "--format", "gguf", "--adapter", lora, "--type", "F16");
  await expect(refused).rejects.toThrow(/an adapter's GGUF is float32/);
});

test.each([
  { words: [path.join(root, "no-model.gguf"), path.join(root, "a")], says: /no-model\.gguf/ },
  { words: [model, path.join(root, "b"), "--quant", "q5"], says: /--quant: .*got "q5"/ },
  {
    words: [model, path.join(root, "a"), "--format", "safetensors", "--type", "Q8_0"],
    says: /--type: expected one of F32, F16, BF16 for safetensors, got "Q8_0"/,
  },
  { words: [model, path.join(root, "a"), "--format", "safetensors", "--quant", "q8"], says: /--quant is for ONNX/ },
  { words: [model, path.join(root, "a"), "--type", "F16"], says: /--type is for safetensors and gguf/ },
  { words: [model], says: /missing required argument 'dir'/ },
  ...["digits-tiny", "clip-tiny"].map((name) => ({
    words: [fileURLToPath(new URL(`../../../models/${name}`, import.meta.url)), path.join(root, "a")],
    says: /ONNX export does not support the .*; use --format safetensors$/,
  })),
])("$words: one sentence, no folder", async ({ words, says }) => {
  await expect(run(...words)).rejects.toThrow(says);
  expect(readdirSync(root).filter((name) => ["a", "b"].includes(name))).toEqual([]);
});

test("a folder with contents is refused before the model is looked up", async () => {
  const folder = mkdtempSync(path.join(root, "full-"));
  writeFileSync(path.join(folder, "thesis.txt"), "");
  await expect(run("hf:nobody/nothing", folder)).rejects.toThrow(/the folder is not empty/);
  expect(existsSync(path.join(root, "home", "models"))).toBe(false);
});
