/** A tiny model in its own MODICUM_HOME, and texts to train its exits on. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";
import { seededRandom } from "../../../util/random.ts";

const fixture = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));

interface TinyModel {
  /** The folder that is MODICUM_HOME while a file's tests run. */
  readonly home: string;
  /** The model's file; the model has two layers. */
  readonly file: string;
  /** Writes a file of documents that each begin with `name`; returns its path. */
  textsOf(name: string): string;
}

export function tinyModel(): TinyModel {
  const home = mkdtempSync(path.join(tmpdir(), "modicum-test-"));
  const file = path.join(home, "llama-tiny.gguf");
  const before = process.env["MODICUM_HOME"];
  beforeAll(() => {
    process.env["MODICUM_HOME"] = home;
    copyFileSync(fixture, file);
  });
  afterAll(() => {
    if (before === undefined) delete process.env["MODICUM_HOME"];
    else process.env["MODICUM_HOME"] = before;
    rmSync(home, { recursive: true, force: true });
  });
  const random = seededRandom(3);
  const word = () => Array.from({ length: 5 }, () => "abcdefgh"[Math.floor(random() * 8)]).join("");
  const documents = Array.from({ length: 12 }, () => Array.from({ length: 90 }, word).join(" "));
  return {
    ...{ home, file },
    textsOf(name) {
      const texts = path.join(home, `${name}.jsonl`);
      writeFileSync(texts, documents.map((text) => JSON.stringify({ text: `${name} ${text}` })).join("\n"));
      return texts;
    },
  };
}
