import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { writeJson } from "../../src/util/write-whole.ts";

/** The finished parts of an experiment, in a file in its folder: a stopped experiment resumes after them. */
export class Done {
  readonly #found: Record<string, unknown>;

  private constructor(private readonly path: string) {
    this.#found = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  }

  static in(folder: string): Done {
    return new Done(path.join(folder, "done.json"));
  }

  /** The result of a part: what an earlier run found, or what `make` finds now. Results are plain JSON. */
  async once<T>(part: string, make: () => Promise<T>): Promise<T> {
    if (part in this.#found) return this.#found[part] as T;
    const result = await make();
    this.#found[part] = result;
    await writeJson(this.path, this.#found);
    return result;
  }
}
