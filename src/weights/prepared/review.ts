import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { roundingError } from "./accuracy.ts";
import type { Part } from "./part.ts";
import { bytesIn, type Form, formName, partBytes } from "./quant.ts";
import type { Span, StoredFloats, StoredMatrix } from "./store.ts";
import { unexpected } from "./unexpected.ts";

/** The tensors of one storage type in one form. */
export interface Holding {
  readonly type: string;
  readonly form: string;
  /** True if the form holds exactly the file's weights. */
  readonly exact: boolean;
  /** The relative error of rounded weights against the file's, from a sample. */
  readonly error?: number;
  tensors: number;
  /** Bytes in the file. */
  stored: number;
  /** Bytes in memory. */
  bytes: number;
}

/** Replaces the store while a model is traced to see what it asks for: reads nothing, and finds all faults at once. */
export class Review {
  readonly #problems = new Map<string, string>();
  readonly #used = new Set<string>();
  readonly #held = new Map<string, { part: Part; form: Form | undefined }>();
  readonly #bytes = new Map<string, number>();

  constructor(private readonly checkpoint: Checkpoint) {}

  part({ name, problem }: Part): void {
    this.#used.add(name);
    if (problem !== undefined) this.#problems.set(name, problem);
  }

  /** Records the form of a part, or the stack's form `stacked`; `copy` identifies this use of it. */
  hold(part: Part, copy: string, own?: Form, stacked?: Form): void {
    const form = stacked && { ...stacked, ...(own?.rounded && { rounded: own.rounded }) };
    this.#held.set(`${part.key} ${formName(form)} ${copy}`, { part, form });
  }

  /** The tensors by storage type and form; reads a sample of those that are rounded. */
  get holdings(): Holding[] {
    const rows = new Map<string, Holding>();
    const counted = new Set<string>();
    for (const { part, form } of this.#held.values()) {
      const name = formName(form);
      const row = rows.get(part.type + name) ?? emptyRow(part, form);
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

  /** A matrix [rows, cols] in blocks, as large as it will be. */
  matrix(name: string, [rows, cols]: readonly [number, number], form: Form): StoredMatrix {
    const { codes, scale, zero, residual } = partBytes(form, [rows, cols]);
    const spans = { codes: span(codes), scale: span(scale), zero: span(zero) };
    this.#bytes.set(name, bytesIn(form, [rows, cols]));
    return { rows, cols, bits: form.bits, ...spans, residual: form.residual ? span(residual) : undefined };
  }

  floats(name: string, shape: readonly number[]): StoredFloats {
    const data = span(bytesIn(undefined, shape));
    this.#bytes.set(name, data.bytes);
    return { shape: [...shape], data };
  }

  /** Bytes of everything that was asked for. */
  get bytes(): number {
    return [...this.#bytes.values()].reduce((a, b) => a + b, 0);
  }

  /**
   * @throws UserError with everything that is missing, of another shape or unexpected: the first three, and the total
   * number
   */
  check(): void {
    const { path, tensors } = this.checkpoint;
    for (const name of unexpected(tensors.keys(), this.#used)) this.#problems.set(name, "is unexpected");
    const all = [...this.#problems].map(([name, problem]) => `tensor "${name}" ${problem}`);
    if (all.length === 0) return;
    const more = all.length > 3 ? `; and ${all.length - 3} more that do not fit the configuration` : "";
    throw new UserError(`${path}: ${all.slice(0, 3).join("; ")}${more}`);
  }
}

function emptyRow(part: Part, form: Form | undefined): Holding {
  const error = form?.rounded && { error: roundingError(part, form.rounded) };
  const row = { type: part.type, form: formName(form), exact: error === undefined, tensors: 0, stored: 0, bytes: 0 };
  return { ...row, ...error };
}

const span = (bytes: number): Span => ({ offset: 0, bytes });
