/** A resource that is opened on first use; a failure is retried at the next use. */
export class Later<T> {
  #value: Promise<T> | undefined;

  constructor(private readonly open: () => Promise<T>) {}

  get(): Promise<T> {
    this.#value ??= this.open().catch((error) => {
      this.#value = undefined;
      throw error;
    });
    return this.#value;
  }

  /** The open resource; undefined if nothing is open. */
  get opened(): Promise<T | undefined> {
    return this.#value?.catch(() => undefined) ?? Promise.resolve(undefined);
  }
}
