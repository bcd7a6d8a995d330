import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { exportModel } from "./export.ts";

/** A Python with the packages of tools/reference/export.txt, installed by `.ci/run`. */
const python = fileURLToPath(new URL("../../../.ci/venv/bin/python", import.meta.url));
const script = fileURLToPath(new URL("../../../tools/reference/run_export.py", import.meta.url));
const there = existsSync(python);
if (!there) console.warn("Exports in Python: not tested, since .ci/venv has no ONNX Runtime (.ci/run installs it)");

const root = mkdtempSync(path.join(tmpdir(), "modicum-export-python-"));
process.env["MODICUM_HOME"] = path.join(root, "home");
afterAll(() => rmSync(root, { recursive: true }));

const fixture = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));

test.skipIf(!there).each<[name: string, reference: string, ways: number, ...options: string[]]>([
  ["llama-tiny.gguf", "llama-tiny.json", 3, "--file", "llama-tiny.gguf"],
  ["gemma3", "gemma3/reference.json", 3],
  ["gpt2", "gpt2/reference.json", 3],
  ["bert", "bert/encoder.json", 4],
  ["t5", "t5/seq2seq.json", 6],
])("%s: stock ONNX Runtime in Python gives transformers' numbers", async (name, reference, ways, ...options) => {
  const folder = path.join(root, name.replace(".", "-"));
  await exportModel({ name, path: fixture(name), bytes: 0, source: "file" }, folder, "f32");
  const { stdout } = await promisify(execFile)(python, [script, folder, fixture(reference), ...options]);
  const worst = [...stdout.matchAll(/: (\S+)$/gm)].map(([, difference]) => Number(difference));
  expect(worst).toHaveLength(ways);
  for (const difference of worst) expect(difference).toBeLessThan(1e-4);
});
