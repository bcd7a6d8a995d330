/** Something that is opened when it is first needed; a failure is tried again at the next need. */
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

  /** The open thing; undefined if nothing is open. */
  get opened(): Promise<T | undefined> {
    return this.#value?.catch(() => undefined) ?? Promise.resolve(undefined);
  }
}
