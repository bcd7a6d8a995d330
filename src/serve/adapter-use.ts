/** Counts waiting and running requests per LoRA adapter. */
export class AdapterUse {
  readonly #waiting = new Map<string, number>();
  readonly #running = new Map<string, number>();

  /** Counts a request for `adapter` as waiting until `begin`, then as running until it is disposed of. */
  request(adapter: string): { begin(): void; [Symbol.dispose](): void } {
    let phase: Map<string, number> | undefined;
    const enter = (next: Map<string, number> | undefined): void => {
      if (phase) add(phase, adapter, -1);
      if (next) add(next, adapter, 1);
      phase = next;
    };
    enter(this.#waiting);
    return {
      begin: () => {
        if (phase === this.#waiting) enter(this.#running);
      },
      [Symbol.dispose]: () => enter(undefined),
    };
  }

  get waiting(): readonly string[] {
    return [...this.#waiting.keys()].sort();
  }

  get running(): readonly string[] {
    return [...this.#running.keys()].sort();
  }
}

function add(counts: Map<string, number>, name: string, change: number): void {
  const count = (counts.get(name) ?? 0) + change;
  if (count === 0) counts.delete(name);
  else counts.set(name, count);
}
