import type { BoundStack } from "../run/stack-buffers.ts";

/** The number of stacks that stay bound; limited, because each takes 50 kB and prompt lengths vary. */
const MOST_STACKS = 12;

/** A slot's stacks, by binding; the most recently used ones stay bound. */
export class BoundStacks {
  /** In order of use, the most recently used last. */
  readonly #stacks = new Map<string, BoundStack>();

  /** The stack with these bindings, bound on first use. */
  of(key: string, bind: () => BoundStack): BoundStack {
    const bound = this.#stacks.get(key) ?? bind();
    this.#stacks.delete(key);
    this.#stacks.set(key, bound);
    if (this.#stacks.size > MOST_STACKS) this.#dropOldest();
    return bound;
  }

  #dropOldest(): void {
    const [key, stack] = [...this.#stacks][0]!;
    this.#stacks.delete(key);
    stack[Symbol.dispose]();
  }
}
