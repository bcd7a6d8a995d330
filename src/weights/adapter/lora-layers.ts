import { UserError } from "../../util/errors.ts";
import type { Lora } from "./lora.ts";
import type { SavedRows } from "./token-rows.ts";
import type { Update } from "./updates.ts";

/** Maps a model's matrices, named canonically without `.weight`, to the modules that adapters change. */
export interface Layout {
  /** The possible PEFT names of a matrix's module. */
  modules(name: string): readonly string[];
  /** The index of a matrix among its module's equal parts, and their number; undefined if it is the only part. */
  part?(name: string): readonly [at: number, of: number] | undefined;
  /** The index of the module's output that corresponds to a matrix's output `row`. */
  row(name: string, row: number): number;
}

/** The two factors of an update: down [inputs, rank], up [rank, outputs], row-major. */
export interface LoraLayer {
  readonly rank: number;
  readonly down: Float32Array<ArrayBuffer>;
  readonly up: Float32Array<ArrayBuffer>;
  /** DoRA's row norms, [outputs]; NaN for rows that keep their norm. */
  readonly magnitude?: Float32Array;
}

interface Piece {
  readonly name: string;
  /** The offset of the matrix's outputs in the stack. */
  readonly first: number;
  readonly outputs: number;
  readonly update: Update;
}

/**
 * An adapter that stays separate from its base's weights, with one update per matrix product of the model. The base may
 * be in any format, since its weights do not change.
 */
export class LoraLayers {
  readonly #requested = new Set<string>();
  readonly #problems = new Map<string, string>();

  constructor(
    private readonly lora: Lora,
    private readonly layout: Layout,
  ) {}

  /** The update of stacked matrices, given by name and number of outputs; undefined if the adapter has none. */
  matrix(inputs: number, outputs: Readonly<Record<string, number>>): LoraLayer | undefined {
    const pieces: Piece[] = [];
    let first = 0;
    for (const [name, size] of Object.entries(outputs)) {
      const update = this.#find(name, "matrix", inputs, size);
      if (update) pieces.push({ name, first, outputs: size, update });
      first += size;
    }
    return pieces.length > 0 ? this.#stacked(pieces, inputs, first) : undefined;
  }

  /** The update of a table [rows, width] whose rows are looked up; the rows of `down` are then looked up as well. */
  table(name: string, [rows, width]: readonly [rows: number, width: number]): LoraLayer | undefined {
    const update = this.#find(name, "table", rows, width);
    return update && this.#stacked([{ name, first: 0, outputs: width, update }], rows, width);
  }

  /** The tokens with separate rows in the token table, if any. */
  get tokens(): readonly number[] | undefined {
    return this.#rows("token_embd")?.ids;
  }

  /** The separate rows of single tokens for a table or head of width `width`. */
  rows(name: string, width: number): SavedRows | undefined {
    const rows = this.#rows(name);
    if (rows && rows.width !== width)
      this.#problems.set(name, `${name} is ${width} wide, but the adapter's rows of tokens are ${rows.width} wide`);
    return rows?.width === width ? rows : undefined;
  }

  #rows(name: string): SavedRows | undefined {
    const module = this.layout.modules(name).find((m) => this.lora.rows.has(m));
    if (module === undefined) return undefined;
    this.#requested.add(module);
    return this.lora.rows.get(module);
  }

  #find(name: string, kind: Update["kind"], inputs: number, outputs: number): Update | undefined {
    const module = this.layout.modules(name).find((m) => this.lora.updates.get(m)?.kind === kind);
    if (module === undefined) return undefined;
    this.#requested.add(module);
    const update = this.lora.updates.get(module)!;
    const [, parts] = this.layout.part?.(name) ?? [0, 1];
    if (update.inputs === inputs && update.outputs === parts * outputs) return update;
    const has = [update.outputs, update.inputs].join(", ");
    this.#problems.set(module, `${module} is [${parts * outputs}, ${inputs}], the adapter's update [${has}]`);
    return undefined;
  }

  /** Combines all pieces into one factor down and one up, in which each piece has its own ranks. */
  #stacked(pieces: readonly Piece[], inputs: number, outputs: number): LoraLayer {
    const rank = pieces.reduce((sum, { update }) => sum + update.rank, 0);
    const down = new Float32Array(inputs * rank);
    const up = new Float32Array(rank * outputs);
    const magnitude = pieces.some(({ update }) => update.magnitude) && new Float32Array(outputs).fill(Number.NaN);
    let at = 0;
    for (const { name, first, outputs: size, update } of pieces) {
      const before = (this.layout.part?.(name)?.[0] ?? 0) * size;
      const [a, b, m] = [update.a(), update.b(), update.magnitude?.()];
      if (magnitude && m) for (let o = 0; o < size; o++) magnitude[first + o] = m[before + this.layout.row(name, o)]!;
      for (let k = 0; k < update.rank; k++, at++) {
        for (let i = 0; i < inputs; i++) down[i * rank + at] = a[k * inputs + i]!;
        for (let o = 0; o < size; o++)
          up[at * outputs + first + o] = update.scale * b[(before + this.layout.row(name, o)) * update.rank + k]!;
      }
    }
    return { rank, down, up, ...(magnitude && { magnitude }) };
  }

  /** Lets the updates of a matrix go unused, because no program of this model uses the matrix. */
  passOver(name: string): void {
    for (const module of this.layout.modules(name)) this.#requested.add(module);
  }

  /**
   * Called after the model has read all of its weights.
   * @throws UserError if any part of the adapter was not used, or has the wrong shape
   */
  check(model: string): void {
    const missing = [...this.lora.updates.keys(), ...this.lora.rows.keys()]
      .filter((module) => !this.#requested.has(module))
      .map(isMissing);
    const problems = [...missing, ...this.#problems.values()];
    if (problems.length > 0) throw doesNotFit(this.lora, model, problems);
  }
}

/** An error that names the first of `problems` and the number of other affected modules. */
export function doesNotFit({ folder, updates }: Lora, model: string, problems: readonly string[]): UserError {
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more of its ${updates.size} modules)` : "";
  return new UserError(`${folder}: the adapter does not fit ${model}: ${problems[0]}${more}`);
}

export const isMissing = (module: string): string => `${module} is not in the model`;
