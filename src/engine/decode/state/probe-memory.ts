/** A probe's state after a row's first `tokens` tokens. */
interface Remembered {
  readonly tokens: number;
  readonly state: Float32Array;
}

/** The states that a row's probes keep between tokens, by the probes' keys: the last, and those that it may return to. */
export class ProbeMemory {
  readonly #states = new Map<string, Remembered[]>();
  /** Tokens of the prompt, whose states stay. */
  #prompt = 0;

  /** The last state; undefined before the first token. */
  get(key: string): Float32Array | undefined {
    return this.#states.get(key)?.at(-1)?.state;
  }

  /** Keeps a state after `tokens` tokens; earlier ones are dropped unless the row may be cut back to them, or to `least`. */
  put(key: string, tokens: number, state: Float32Array, least: number): void {
    const known = this.#states.get(key) ?? [];
    const from = tokens > least ? known.findLastIndex((one) => one.tokens <= least) : known.length;
    const kept = known.filter((one, i) => i >= from || one.tokens === this.#prompt);
    this.#states.set(key, [...kept, { tokens, state }]);
  }

  /** Notes the length of the prompt that comes. */
  beginPrompt(tokens: number): void {
    this.#prompt = tokens;
  }

  /** Goes back to the states after the first `tokens` tokens; those within a prompt are not kept. */
  truncate(tokens: number): void {
    if (tokens < this.#prompt) {
      this.#states.clear();
      this.#prompt = 0;
    }
    for (const [key, known] of this.#states) {
      const kept = known.filter((one) => one.tokens <= tokens);
      this.#states.set(key, kept);
    }
  }
}
