/** Milliseconds that a request spends in each phase, in order. */
export interface Times {
  /** Waiting in the queue. */
  readonly queue: number;
  /** Reading images: files, scaling and encoder. */
  readonly encode: number;
  /** Processing the prompt, including tokenization. */
  readonly prefill: number;
  readonly decode: number;
}

/** The phases of a request, and the time at which it arrived. */
export interface RequestTimes {
  readonly arrived: number;
  readonly ms: Times;
}

/** Splits the wall time of one request into phases: each moment since its arrival belongs to exactly one phase. */
export class Stopwatch {
  readonly #ms: Record<keyof Times, number> = { queue: 0, encode: 0, prefill: 0, decode: 0 };
  #part: keyof Times = "queue";
  #since: number;

  constructor(readonly arrived: number = performance.now()) {
    this.#since = arrived;
  }

  /** Counts time towards `part` from now on. */
  enter(part: keyof Times): void {
    const now = performance.now();
    this.#ms[this.#part] += now - this.#since;
    this.#since = now;
    this.#part = part;
  }

  /** The times until now. */
  total(): RequestTimes {
    this.enter(this.#part);
    return { arrived: this.arrived, ms: { ...this.#ms } };
  }
}
