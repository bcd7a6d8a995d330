import { Session } from "node:inspector";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("..", import.meta.url));

/**
 * Counts function calls while `work` runs, in files whose path contains `path`: a measure of work that does not depend
 * on the machine. Loops without calls and native code do not count.
 */
export async function callsOf(work: () => unknown, path = source): Promise<number> {
  using counter = new CallCounter();
  await work();
  return counter.calls(path);
}

/** Counts calls from its creation on. Creating a counter takes V8 as long as hundreds of small tests. */
export class CallCounter implements Disposable {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  }

  /** Calls since the last count. */
  calls(path = source): number {
    let calls = 0;
    this.#session.post("Profiler.takePreciseCoverage", (error, { result }) => {
      if (error) throw error;
      const own = result.filter(({ url }) => url.includes(path) && !/test(ing)?\.ts$/.test(url));
      for (const { ranges } of own.flatMap(({ functions }) => functions)) calls += ranges[0]!.count;
    });
    return calls;
  }

  [Symbol.dispose](): void {
    this.#session.post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
  }
}
