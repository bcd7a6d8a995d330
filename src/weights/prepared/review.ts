import { rowOf } from "../../graph/index.ts";
import { ndarray } from "../../graph/ndarray.ts";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { ByteRounding, type StoredBytes } from "./byte-matrix.ts";
import type { KernelMatrix } from "./layout.ts";
import type { Part } from "./part.ts";
import {
  type BlockForm,
  type BytesForm,
  bytesIn,
  FLOAT32,
  type Form,
  formName,
  isCorrected,
  partBytes,
} from "./quant.ts";
import { Rounding } from "./quantize.ts";
import type { Span, StoredFloats, StoredMatrix } from "./store.ts";

/** Totals of the tensors with the same storage type and form. */
export interface Holding {
  readonly type: string;
  readonly form: string;
  /** True if the form represents the file's weights exactly. */
  readonly exact: boolean;
  /** The relative error of rounded weights, from a sample. */
  readonly error?: number;
  tensors: number;
  /** The number of bytes in the file. */
  stored: number;
  /** The number of bytes in memory. */
  bytes: number;
}

/** Stands in for the store while a model is traced to find its tensors: reads no weights, and collects all faults. */
export class Review {
  readonly #problems = new Map<string, string>();
  readonly #used = new Set<string>();
  readonly #held = new Map<string, { part: Part; own: Form; form: Form }>();
  readonly #bytes = new Map<string, number>();

  constructor(private readonly checkpoint: Checkpoint) {}

  part({ name, problem }: Part): void {
    this.#used.add(name);
    if (problem !== undefined) this.#problems.set(name, problem);
  }

  /** Records a part's `own` form and the form of its stack; `copy` identifies this copy of the part. */
  hold(part: Part, copy: string, own = FLOAT32, stacked = own): void {
    const rounded = own.kind === "blocks" && stacked.kind === "blocks" && own.rounded && { rounded: own.rounded };
    const form = { ...stacked, ...rounded };
    this.#held.set(`${part.key} ${formName(form)} ${copy}`, { part, own, form });
  }

  /** Totals by storage type and form; reads a sample of the rounded tensors. */
  get holdings(): Holding[] {
    const rows = new Map<string, Holding>();
    const counted = new Set<string>();
    for (const { part, own, form } of this.#held.values()) {
      const name = formName(form);
      const row = rows.get(part.type + name) ?? emptyRow(part, own, form);
      if (!counted.has(part.key + name)) {
        row.tensors++;
        row.stored += part.stored;
      }
      counted.add(part.key + name);
      row.bytes += bytesIn(form, part.shape);
      rows.set(part.type + name, row);
    }
    return [...rows.values()].sort((a, b) => b.bytes - a.bytes);
  }

  /** Describes a matrix [rows, cols] in block form, with its final size. */
  matrix(name: string, [rows, cols]: readonly [number, number], form: BlockForm): StoredMatrix {
    const { codes, scale, zero } = partBytes(form, [rows, cols]);
    const spans = { codes: span(codes), scale: span(scale), zero: span(zero) };
    this.#bytes.set(name, bytesIn(form, [rows, cols]));
    return { rows, cols, bits: form.bits, corrected: isCorrected(form), ...spans };
  }

  /** Like `matrix`, for the byte form. */
  bytesMatrix(name: string, [rows, cols]: readonly [number, number], form: BytesForm): StoredBytes {
    this.#bytes.set(name, bytesIn(form, [rows, cols]));
    return { scale: span(4 * rows), digits: Array.from({ length: form.digits }, () => span(rows * cols)) };
  }

  floats(name: string, shape: readonly number[]): StoredFloats {
    const data = span(bytesIn(FLOAT32, shape));
    this.#bytes.set(name, data.bytes);
    return { shape: [...shape], data };
  }

  /** The total number of bytes of all requested tensors. */
  get bytes(): number {
    return [...this.#bytes.values()].reduce((a, b) => a + b, 0);
  }

  /** @throws UserError with all missing, misshapen or unexpected tensors: the first three, and the total number */
  check(): void {
    const { path, tensors } = this.checkpoint;
    for (const name of unexpected(tensors.keys(), this.#used)) this.#problems.set(name, "is unexpected");
    const all = [...this.#problems].map(([name, problem]) => `tensor "${name}" ${problem}`);
    if (all.length === 0) return;
    const more = all.length > 3 ? `; and ${all.length - 3} more that do not fit the configuration` : "";
    throw new UserError(`${path}: ${all.slice(0, 3).join("; ")}${more}`);
  }
}

function emptyRow(part: Part, own: Form, form: Form): Holding {
  const error = errorOf(part, own, form);
  const row = { type: part.type, form: formName(form), exact: error === undefined, tensors: 0, stored: 0, bytes: 0 };
  return { ...row, ...(error !== undefined && { error }) };
}

const span = (bytes: number): Span => ({ offset: 0, bytes });

/** The maximum number of sampled rows per matrix. */
const ROWS = 64;

/** The relative error of a form for a matrix's first rows; undefined if the form is exact. */
function errorOf(part: Part, own: Form, form: Form): number | undefined {
  const exact = form.kind === "float32" || (own.kind === "blocks" && !own.rounded && !own.minimum);
  if (exact) return undefined;
  const [rows, cols] = [Math.min(ROWS, part.shape[0]!), part.shape[1]!];
  const values = part.floats(0, rows);
  if (form.kind === "bytes") {
    const rounding = new ByteRounding(form, rows, cols);
    // A rotation preserves norms, so rotated weights have the same error.
    return relativeError(rounding.add(values, 0), (i) => rounding.at(Math.floor(i / cols), i % cols));
  }
  const rounding = form.rounded && new Rounding(form.rounded, rows, cols, form.block);
  rounding?.add(values, 0);
  const back = weightsIn(rounding ? rounding.matrix(8) : part.blocks(form.bits, rows));
  return relativeError(values, (i) => back[Math.floor(i / cols)]![i % cols]!);
}

/** The root-mean-square error, divided by the root mean square of the values. */
function relativeError(values: Float32Array, back: (i: number) => number): number {
  const squares = (of: (i: number) => number) => values.reduce((sum, _, i) => sum + of(i) ** 2, 0);
  return Math.sqrt(squares((i) => back(i) - values[i]!) / (squares((i) => values[i]!) || 1));
}

/** Yields a matrix's weights row by row. */
function weightsIn({ rows, codes, scale, zero, ...form }: KernelMatrix): Float64Array[] {
  const blocks = scale.length / rows;
  const parts = [
    ndarray([rows, blocks, codes.length / rows / blocks], codes),
    ndarray([rows, blocks], scale),
    ndarray([rows, zero.length / rows], zero),
  ];
  return Array.from({ length: rows }, (_, row) => rowOf(parts, form, row));
}

/**
 * Unused tensors that would change a model's results: tensors of layers beyond the last, tensors in a used tensor's
 * module (a bias, a scale), and weights inside a used layer. Other tensors (another head, a buffer) are ignored.
 */
export function unexpected(names: Iterable<string>, used: ReadonlySet<string>): string[] {
  const kinds = new Set([...used].map(kindOf));
  const modules = new Set([...used].map(moduleOf));
  const layers = new Set([...used].map(layerOf));
  return [...names].filter(
    (name) =>
      !used.has(name) &&
      (kinds.has(kindOf(name)) ||
        modules.has(moduleOf(name)) ||
        (name.endsWith(".weight") && layerOf(name) !== "" && layers.has(layerOf(name)))),
  );
}

/** A name in which numbers are replaced, so that it is the same for all layers. */
const kindOf = (name: string): string => name.replace(/\d+/g, "*");

/** `model.layers.0.self_attn.q_proj` for `model.layers.0.self_attn.q_proj.weight`. */
const moduleOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf("."))) || name;

/** `model.layers.0.` for `model.layers.0.self_attn.q_proj.weight`; empty outside layers. */
const layerOf = (name: string): string => /^.*?\.\d+\./.exec(name)?.[0] ?? "";
