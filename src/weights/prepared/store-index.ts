import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { unopened } from "../../util/system-errors.ts";
import { fileState } from "../file-state.ts";

/** The files in a folder: the weights, their index, and (below) the state in which they were last verified. */
export const [FILE, INDEX] = ["weights.bin", "weights.json"] as const;
const STATE = "weights.state";

const span = z.object({ offset: z.number(), bytes: z.number() });
const matrix = z.object({
  rows: z.number(),
  cols: z.number(),
  bits: z.literal([4, 8]),
  codes: span,
  scale: span,
  zero: span,
  corrected: z.boolean(),
});
const floats = z.object({ shape: z.array(z.number()), data: span });
const indexSchema = z.object({
  version: z.number(),
  source: z.string(),
  matrices: z.record(z.string(), matrix),
  floats: z.record(z.string(), floats),
  /** Seals that together cover the file, in order; each covers the bytes that one process appended. */
  seals: z.array(z.object({ from: z.number(), end: z.number(), sha256: z.string() })),
});

export type Span = z.infer<typeof span>;
/** The locations of a quantised matrix's parts in the prepared file. */
export type StoredMatrix = z.infer<typeof matrix>;
export type StoredFloats = z.infer<typeof floats>;
export type Index = z.infer<typeof indexSchema>;

/** Incremented with every change of the layout; files with other versions are prepared again. */
export const VERSION = 6;

export const emptyIndex = (source: string): Index => ({
  version: VERSION,
  source,
  matrices: {},
  floats: {},
  seals: [],
});

const spans = ({ matrices, floats }: Index): Span[] => [
  ...Object.values(matrices).flatMap(({ codes, scale, zero }) => [codes, scale, zero]),
  ...Object.values(floats).map((f) => f.data),
];

export const endOf = (index: Index): number => Math.max(0, ...spans(index).map((s) => s.offset + s.bytes));

/**
 * The index of sound weights made from `source` in a folder, if any. Weights that changed are verified in full, except
 * in a read-only folder, where every start would verify them again.
 */
export function soundIndex(folder: string, source: string): Index | undefined {
  const index = readIndex(folder);
  if (index?.source !== source) return undefined;
  if (isAsNoted(folder) || unopened(path.join(folder, STATE)) !== undefined) return index;
  if (!isSound(path.join(folder, FILE), index.seals)) return undefined;
  noteSound(folder);
  return index;
}

/** Reads the index in a folder; undefined if it is missing, has another version, or its weights are truncated. */
function readIndex(folder: string): Index | undefined {
  try {
    const index = indexSchema.parse(JSON.parse(readFileSync(path.join(folder, INDEX), "utf8")));
    const whole = statSync(path.join(folder, FILE)).size === endOf(index);
    return index.version === VERSION && whole ? index : undefined;
  } catch {
    return undefined;
  }
}

function isAsNoted(folder: string): boolean {
  try {
    return readFileSync(path.join(folder, STATE), "utf8") === fileState(path.join(folder, FILE));
  } catch {
    return false;
  }
}

/** Records that the weights are sound; the folder may be read-only or full. */
export function noteSound(folder: string): void {
  try {
    writeFileSync(path.join(folder, STATE), fileState(path.join(folder, FILE)));
  } catch {}
}

/** Verifies a folder's weights in full; undefined if this version does not use them. */
export function isFolderSound(folder: string): boolean | undefined {
  const index = readIndex(folder);
  return index && isSound(path.join(folder, FILE), index.seals);
}

/** Removes a folder's weights, which are prepared again when needed. */
export function discard(folder: string): void {
  for (const name of [INDEX, STATE, FILE]) rmSync(path.join(folder, name), { force: true });
}

/** Bytes `from` to `end` − 1 of a file, which were written in one go, and their SHA-256. */
interface Seal {
  readonly from: number;
  readonly end: number;
  readonly sha256: string;
}

/** The number of bytes read at a time. */
const PIECE = 2 ** 20;

/** Reads an entire file; returns true if its bytes match all its seals. */
function isSound(file: string, seals: readonly Seal[]): boolean {
  const fd = openSync(file, "r");
  try {
    return seals.every((seal) => hashOf(fd, seal) === seal.sha256);
  } finally {
    closeSync(fd);
  }
}

function hashOf(fd: number, { from, end }: Seal): string {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(Math.min(PIECE, end - from));
  for (let at = from; at < end; ) {
    const got = readSync(fd, buffer, 0, Math.min(buffer.length, end - at), at);
    if (got === 0) break;
    hash.update(buffer.subarray(0, got));
    at += got;
  }
  return hash.digest("hex");
}
