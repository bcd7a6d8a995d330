import { Fields } from "../config/fields.ts";

/**
 * A configuration that records which values an architecture reads, under the other format's keys: config.json's for a GGUF,
 * GGUF's without the architecture's prefix for a config.json.
 */
export class RecordedFields extends Fields {
  /** Values under the other format's keys, in the order in which they were read. */
  readonly recorded = new Map<string, unknown>();
  /** config.json's per-layer lists that were read. */
  readonly lists = new Set<string>();

  override number(gguf: string | undefined, huggingface: string | undefined, fallback?: number): number {
    const value = super.number(gguf, huggingface, fallback);
    if (this.gguf) this.#record(huggingface, shortest(value));
    else if (huggingface !== undefined) this.#record(gguf, value);
    return value;
  }

  override flag(key: string, fallback = false): boolean {
    const value = super.flag(key, fallback);
    if (this.gguf) this.#record(key, value);
    return value;
  }

  override truth(gguf: string, huggingface: string, fallback: boolean): boolean {
    const value = super.truth(gguf, huggingface, fallback);
    this.#record(this.gguf ? huggingface : gguf, value);
    return value;
  }

  override list(key: string): readonly unknown[] | undefined {
    this.lists.add(key);
    return super.list(key);
  }

  override only(key: string, values: readonly (string | number | boolean)[]): void {
    super.only(key, values);
    if (this.gguf && !UNWRITTEN.has(key)) this.#record(key, values[0]);
  }

  override part(key: string, usual: Readonly<Record<string, unknown>> = {}): Fields {
    const part = super.part(key, usual);
    if (part === this) return this;
    const inner = new RecordedFields(part.source, this.architecture, this.keys, this.defaults);
    Object.assign(inner, { recorded: this.recorded, lists: this.lists });
    return inner;
  }

  /** The architecture's own key in config.json. */
  hubKey(key: string): string {
    return this.keys[key] ?? key;
  }

  #record(key: string | undefined, value: unknown): void {
    if (key !== undefined) this.recorded.set(this.gguf ? this.hubKey(key) : key, value);
  }
}

/** Keys that are not written, because the model's class implies their values. */
const UNWRITTEN = new Set(["is_causal"]);

/** The shortest decimal number with the same float32: a GGUF's 1e-5 reads as 9.999999747378752e-6. */
export function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}
