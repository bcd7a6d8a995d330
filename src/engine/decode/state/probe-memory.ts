/** A probe's state after a row's first `tokens` tokens. */
interface ProbeState {
  readonly tokens: number;
  readonly state: Float32Array;
}

/** The states of a row's probes between tokens, by probe key: the last state, and those that truncation may restore. */
export class ProbeMemory {
  readonly #states = new Map<string, ProbeState[]>();
  /** The prompt's length in tokens; the states after it are kept. */
  #prompt = 0;

  /** The last state; undefined before the first token. */
  get(key: string): Float32Array | undefined {
    return this.#states.get(key)?.at(-1)?.state;
  }

  /** Stores a state after `tokens` tokens; drops earlier states that truncation to `least` or more cannot need. */
  put(key: string, tokens: number, state: Float32Array, least: number): void {
    const known = this.#states.get(key) ?? [];
    const from = tokens > least ? known.findLastIndex((one) => one.tokens <= least) : known.length;
    const retained = known.filter((one, i) => i >= from || one.tokens === this.#prompt);
    this.#states.set(key, [...retained, { tokens, state }]);
  }

  /** Records the length of the next prompt. */
  beginPrompt(tokens: number): void {
    this.#prompt = tokens;
  }

  /** Restores the states after the first `tokens` tokens; states inside a prompt are not stored. */
  truncate(tokens: number): void {
    if (tokens < this.#prompt) {
      this.#states.clear();
      this.#prompt = 0;
    }
    for (const [key, known] of this.#states) {
      const retained = known.filter((one) => one.tokens <= tokens);
      this.#states.set(key, retained);
    }
  }
}
