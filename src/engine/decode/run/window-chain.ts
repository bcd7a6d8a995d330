import { ViewSet } from "../../../runtime/buffer.ts";
import type { BoundProgram } from "../../../runtime/program.ts";

/** Programs bound to a cache, bound again whenever the window's first token moves. */
export class WindowChain implements Disposable {
  #start: number | undefined;
  #views = new ViewSet();
  #programs: readonly BoundProgram[] = [];

  constructor(private readonly bind: (start: number, views: ViewSet) => BoundProgram[]) {}

  from(start: number): readonly BoundProgram[] {
    if (start !== this.#start) {
      this.#views[Symbol.dispose]();
      this.#views = new ViewSet();
      this.#programs = this.bind(start, this.#views);
      this.#start = start;
    }
    return this.#programs;
  }

  [Symbol.dispose](): void {
    this.#views[Symbol.dispose]();
  }
}
