import path from "node:path";
import { z } from "zod";
import { writeJson } from "../../src/util/write-whole.ts";
import { readOptionalJson } from "../../src/weights/json-file.ts";

const file = z.record(z.string(), z.unknown());

/** The parts of an experiment that are done, in a file of its folder: one that was stopped goes on behind them. */
export class Done {
  readonly #found: Record<string, unknown>;

  private constructor(private readonly path: string) {
    this.#found = readOptionalJson(path, file) ?? {};
  }

  static in(folder: string): Done {
    return new Done(path.join(folder, "done.json"));
  }

  /** The result of a part: what an earlier run found, or what `make` finds now. Results are plain JSON. */
  async once<T>(part: string, make: () => Promise<T>): Promise<T> {
    if (part in this.#found) return this.#found[part] as T;
    const made = await make();
    this.#found[part] = made;
    await writeJson(this.path, this.#found);
    return made;
  }
}
