import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { exportSafetensors } from "./export-safetensors.ts";

/** A Python with the packages of tools/reference/train.txt. */
const python = fileURLToPath(new URL("../../../.ci/venv/bin/python", import.meta.url));
const script = fileURLToPath(new URL("../../../tools/reference/check_trained.py", import.meta.url));
const there = existsSync(python);
if (!there) console.warn("Exported folders in Python: not tested, since .ci/venv is missing");

const root = mkdtempSync(path.join(tmpdir(), "modicum-folders-python-"));
afterAll(() => rmSync(root, { recursive: true }));

const fixture = (...names: string[]) =>
  fileURLToPath(new URL(["../../models/fixtures", ...names].join("/"), import.meta.url));

/** GGUFs with the logits of transformers' own checkpoint in the same folder. */
const names = [
  ...["cohere2", "ernie4_5", "exaone4", "exaone4-whole", "gemma2", "gemma3", "glm4_moe", "glm4_moe-air", "gpt2"],
  ...["gpt_oss", "granite", "granitemoe", "llama-biased", "llama-heads", "llama-linear", "llama-llama3", "llama-yarn"],
  ...["mixtral", "olmo2", "olmoe", "phi3", "phi3-long", "qwen2", "qwen2_moe", "qwen3", "qwen3-heads", "qwen3_moe"],
  "smollm3",
];

test.skipIf(!there)(
  "transformers opens the folders of GGUFs, and computes what it did before they were converted",
  async () => {
    for (const name of names) {
      await exportSafetensors(fixture(name, "model.gguf"), path.join(root, name, "model"), "F32");
      const { tokens, logits } = JSON.parse(readFileSync(fixture(name, "reference.json"), "utf8"));
      writeFileSync(path.join(root, name, "logits.json"), JSON.stringify({ ids: tokens, model: logits }));
    }
    const { stdout } = await promisify(execFile)(python, [script, ...names.map((name) => path.join(root, name))]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ name }) => name)).toEqual(names);
    for (const { name, model, amiss } of lines) {
      expect(amiss, name).toEqual([]);
      expect(model, name).toBeLessThan(1e-4);
    }
  },
  300_000,
);
