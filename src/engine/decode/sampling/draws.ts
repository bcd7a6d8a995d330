/** Random numbers that can be looked at before they are drawn. */
export class Draws {
  /** Numbers that were looked at, and not drawn yet. */
  readonly #ahead: number[] = [];

  constructor(private readonly random: () => number) {}

  next(): number {
    return this.#ahead.shift() ?? this.random();
  }

  /** The coming numbers, which stay to be drawn here. Valid until the next one is. */
  fork(): Draws {
    let at = 0;
    return new Draws(() => {
      this.#ahead[at] ??= this.random();
      return this.#ahead[at++]!;
    });
  }
}
