import path from "node:path";
import { normals } from "../../util/normals.ts";
import { seededRandom } from "../../util/random.ts";
import type { Checkpoint, ConfigSource, StoredTensor } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { DEVIATION } from "../subject/initial.ts";
import type { Extension } from "../subject/subject.ts";

export type HuggingFaceCheckpoint = Checkpoint & { readonly config: Extract<ConfigSource, { kind: "huggingface" }> };

export const isHuggingFace = (checkpoint: Checkpoint): checkpoint is HuggingFaceCheckpoint =>
  checkpoint.config.kind === "huggingface";

/** Tables with a row per token: token embeddings, an untied head, and per-layer token embeddings. */
const TABLES = ["token_embd.weight", "output.weight", "per_layer_token_embd.weight"];

/** Configuration keys that count the rows of such tables. */
const COUNTS = ["vocab_size", "vocab_size_per_layer_input"];

/**
 * A safetensors checkpoint with added tokens. Each new row is the mean of the existing rows plus a little noise (Hewitt
 * 2021), determined by the seed.
 */
export function widerCheckpoint(
  base: HuggingFaceCheckpoint,
  names: Names,
  { rows, folder }: Extension,
  seed: number,
): HuggingFaceCheckpoint {
  const { config } = base.config;
  const wide = new Map(
    TABLES.flatMap((table) => {
      const entry = names(table);
      const tensor = base.tensors.get(typeof entry === "string" ? entry : entry.name);
      return tensor
        ? [[tensor.name, { ...tensor, shape: tensor.shape.with(0, tensor.shape[0]! + rows) }] as const]
        : [];
    }),
  );
  const counts = COUNTS.filter((key) => config[key] !== undefined);
  return {
    ...base,
    // The run's folder holds the tokenizer's files.
    config: {
      kind: "huggingface",
      path: path.join(folder, "config.json"),
      config: { ...config, ...Object.fromEntries(counts.map((key) => [key, Number(config[key]) + rows])) },
    },
    tensors: new Map([...base.tensors, ...wide]),
    floats(tensor, of) {
      const plain = wide.has(tensor.name) ? base.tensors.get(tensor.name)! : undefined;
      if (!plain) return base.floats(tensor, of);
      const [width, all] = [plain.shape[1]!, withNewRows(base.floats(plain), plain, rows, seed)];
      return of ? all.slice(of[0] * width, of[1] * width) : all;
    },
  };
}

function withNewRows(
  values: Float32Array,
  { shape }: StoredTensor,
  rows: number,
  seed: number,
): Float32Array<ArrayBuffer> {
  const all = new Float32Array(values.length + rows * shape[1]!);
  all.set(values);
  all.set(newRows(values, shape[1]!, rows, seed), values.length);
  return all;
}

/** Rows for new tokens, `width` wide. */
function newRows(table: Float32Array, width: number, rows: number, seed: number): Float32Array<ArrayBuffer> {
  const mean = new Float64Array(width);
  for (let i = 0; i < table.length; i++) mean[i % width]! += (table[i]! * width) / table.length;
  const normal = normals(seededRandom(seed));
  return Float32Array.from({ length: rows * width }, (_, i) => mean[i % width]! + DEVIATION * normal());
}

/** The rows of the tokens `ids`, from a table or the new rows. */
export function rowsOfTokens(
  table: Float32Array,
  { vocabulary, hidden }: { readonly vocabulary: number; readonly hidden: number },
  ids: readonly number[],
  seed: number,
): Float32Array<ArrayBuffer> {
  const added = newRows(table, hidden, ids.filter((id) => id >= vocabulary).length, seed);
  const rows = new Float32Array(ids.length * hidden);
  for (const [i, id] of ids.entries()) {
    const [from, at] = id < vocabulary ? [table, id] : [added, id - vocabulary];
    rows.set(from.subarray(at * hidden, (at + 1) * hidden), i * hidden);
  }
  return rows;
}
