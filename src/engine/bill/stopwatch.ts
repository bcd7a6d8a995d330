/** Milliseconds of a request by what they went into, in the order of the work. */
export interface Times {
  /** Waiting in the queue. */
  readonly queue: number;
  /** Reading images: files, scaling and encoder. */
  readonly encode: number;
  /** Reading the prompt, from its text on. */
  readonly prefill: number;
  readonly decode: number;
}

/** The times of a request, and its arrival on the clock of `performance.now()`. */
export interface Timed {
  readonly arrived: number;
  readonly ms: Times;
}

/** Splits the wall time of one request into its parts: each moment since its arrival is in exactly one. */
export class Stopwatch {
  readonly #ms: Record<keyof Times, number> = { queue: 0, encode: 0, prefill: 0, decode: 0 };
  #part: keyof Times = "queue";
  #since: number;

  constructor(readonly arrived: number = performance.now()) {
    this.#since = arrived;
  }

  /** From now on, time goes into `part`. */
  enter(part: keyof Times): void {
    const now = performance.now();
    this.#ms[this.#part] += now - this.#since;
    this.#since = now;
    this.#part = part;
  }

  /** The times until now. */
  total(): Timed {
    this.enter(this.#part);
    return { arrived: this.arrived, ms: { ...this.#ms } };
  }
}
