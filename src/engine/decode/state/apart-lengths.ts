import type { DecoderConfig } from "../../../models/decoder/decoder.ts";
import { Lengths } from "../../../models/state/lengths.ts";
import type { Binding } from "../../../runtime/program.ts";
import { PREFILL_CHUNK } from "../run/chunk.ts";

/** Lengths for a sequence's new tokens when each attends separately, in its own row. */
export class ApartLengths implements Disposable {
  #rows: Lengths | undefined;

  constructor(private readonly config: DecoderConfig) {}

  /** Sets the length that each new token sees: `entries`, plus the new tokens before it. */
  set(entries: number, positions: readonly number[], longRope: boolean): void {
    this.#lengths.setApart(positions.map((position, at) => ({ entries: entries + at, positions: position, longRope })));
  }

  views(tokens: number): Binding {
    return this.#lengths.viewsApart(tokens);
  }

  /** Allocated on first use. */
  get #lengths(): Lengths {
    this.#rows ??= new Lengths(this.config, PREFILL_CHUNK, 1);
    return this.#rows;
  }

  [Symbol.dispose](): void {
    this.#rows?.[Symbol.dispose]();
  }
}
