/** A queue of values that arrive one by one and are awaited in order. */
export class Arrivals<T> {
  readonly #values: T[] = [];
  #error: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  push(value: T): void {
    this.#values.push(value);
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#error ??= { error };
    this.#wake?.();
  }

  /** The next value. Throws the error passed to `fail`. */
  async next(): Promise<T> {
    while (this.#values.length === 0) {
      if (this.#error) throw this.#error.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#values.shift()!;
  }
}
