import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { Part } from "./part.ts";
import type { Form } from "./quant.ts";
import type { Span, StoredFloats, StoredMatrix } from "./store.ts";
import { unexpected } from "./unexpected.ts";

/** Stands in for the store while a model is traced to see what it asks for: nothing is read, and all that is wrong is found at once. */
export class Review {
  readonly #problems = new Map<string, string>();
  readonly #used = new Set<string>();
  readonly #bytes = new Map<string, number>();

  constructor(private readonly checkpoint: Checkpoint) {}

  part({ name, problem }: Part): void {
    this.#used.add(name);
    if (problem !== undefined) this.#problems.set(name, problem);
  }

  /** A matrix [rows, cols] in blocks, as large as it will be. */
  matrix(name: string, [rows, cols]: readonly [number, number], forms: readonly Form[]): StoredMatrix {
    const blocks = (rows * cols) / Math.min(...forms.map((f) => f.block));
    const spans = { codes: span(rows * cols), scale: span(4 * blocks), zero: span(blocks) };
    const residual = forms.some((f) => f.residual) ? span(4 * blocks) : undefined;
    this.#bytes.set(name, rows * cols + (residual ? 9 : 5) * blocks);
    return { rows, cols, ...spans, residual };
  }

  floats(name: string, shape: readonly number[]): StoredFloats {
    const data = span(4 * shape.reduce((total, size) => total * size, 1));
    this.#bytes.set(name, data.bytes);
    return { shape: [...shape], data };
  }

  /** Bytes of all that was asked for. */
  get bytes(): number {
    return [...this.#bytes.values()].reduce((a, b) => a + b, 0);
  }

  /** @throws UserError with all that is missing, of another shape or unexpected: the first three, and how many there are */
  check(): void {
    const { path, tensors } = this.checkpoint;
    for (const name of unexpected(tensors.keys(), this.#used)) this.#problems.set(name, "is unexpected");
    const all = [...this.#problems].map(([name, problem]) => `tensor "${name}" ${problem}`);
    if (all.length === 0) return;
    const more = all.length > 3 ? `; and ${all.length - 3} more that do not fit the configuration` : "";
    throw new UserError(`${path}: ${all.slice(0, 3).join("; ")}${more}`);
  }
}

const span = (bytes: number): Span => ({ offset: 0, bytes });
