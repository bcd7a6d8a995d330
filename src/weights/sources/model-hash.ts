import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { readError } from "../../util/system-errors.ts";
import { asModelFault } from "../model-fault.ts";
import type { ResolvedModel } from "./store.ts";

/**
 * The SHA-256 of a model: the recorded hash, or else the hash of its file, or of the names and bytes of the files that
 * loaders read in its folder. Adding a card, a receipt or exits to the folder does not change the hash.
 * @throws ModelFault if these files cannot be read
 */
export async function modelHash({ sha256, path: file }: ResolvedModel): Promise<string> {
  if (sha256 !== undefined) return sha256;
  try {
    return await contentHash(file, isRead);
  } catch (error) {
    throw asModelFault(readError(error, file));
  }
}

/** Selects weights, configurations, tokenizers and templates, also in sentence-transformers' modules (`1_Pooling`). */
const isRead = (name: string): boolean =>
  /^(\d+_\w+[\\/])?[^\\/]+\.(safetensors|gguf|onnx|json|jinja|txt|model|metadata)$/.test(name) &&
  name !== "receipt.json";

/** The SHA-256 of a file, or of the names and bytes of a folder's files; `counts` selects them. */
export async function contentHash(file: string, counts: (name: string) => boolean = () => true): Promise<string> {
  const hash = createHash("sha256");
  const folder = (await stat(file)).isDirectory();
  for (const name of folder ? (await names(file)).filter(counts) : [""]) {
    if (folder) hash.update(`${name}\0`);
    await pipeline(createReadStream(path.join(file, name)), async (bytes) => {
      for await (const some of bytes) hash.update(some as Buffer);
    });
  }
  return hash.digest("hex");
}

async function names(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((e) => e.isFile()).map((e) => path.relative(folder, path.join(e.parentPath, e.name)));
  return files.sort();
}
