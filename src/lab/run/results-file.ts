import { existsSync } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { UserError } from "../../util/errors.ts";
import { writeError } from "../../util/system-errors.ts";
import { stringify } from "../reals.ts";
import { type Result, resultSchema } from "../results.ts";

/** Lines written between two syncs to disk. */
const BATCH = 16;

/** results.jsonl: an item a line, appended as it is answered. A process that is killed loses nothing that was appended whole. */
export class ResultsFile {
  #unsynced = 0;
  /** Under way beside the next answers. */
  #syncing: Promise<void> = Promise.resolve();

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /**
   * Opens the file, or makes it; a last line that was cut short is dropped.
   * @throws UserError if it holds anything else, or if `check` throws
   */
  static async open(
    path: string,
    check?: (results: readonly Result[]) => void,
  ): Promise<{ file: ResultsFile; results: Result[] }> {
    const file = await open(path, "a+").catch((error: unknown) => {
      throw writeError(error, path);
    });
    try {
      const text = await file.readFile("utf8");
      const whole = wholeLines(text);
      const results = parse(path, whole);
      check?.(results);
      if (whole.length < text.length) await file.truncate(Buffer.byteLength(whole));
      return { file: new ResultsFile(path, file), results };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** @throws UserError if the disk is full */
  async add(result: Result): Promise<void> {
    try {
      await this.file.appendFile(`${stringify(result)}\n`);
      if (++this.#unsynced >= BATCH) await this.#sync();
    } catch (error) {
      throw writeError(error, this.path);
    }
  }

  /** Begins after the previous sync is done, and rethrows its failure. */
  async #sync(): Promise<void> {
    await this.#syncing;
    this.#unsynced = 0;
    this.#syncing = this.file.datasync();
    this.#syncing.catch(() => {});
  }

  async close(): Promise<void> {
    try {
      await this.#sync();
      await this.#syncing;
    } catch (error) {
      throw writeError(error, this.path);
    } finally {
      await this.file.close();
    }
  }
}

/**
 * The results in a file, without a last line that was cut short; empty if the file is missing.
 * @throws UserError if a line is not a result
 */
export async function heldResults(path: string): Promise<Result[]> {
  if (!existsSync(path)) return [];
  return parse(path, wholeLines(await readFile(path, "utf8")));
}

/** Drops a last line that was cut short by a kill. */
const wholeLines = (text: string): string => text.slice(0, text.lastIndexOf("\n") + 1);

/** @throws UserError if a line is not a result */
function parse(path: string, text: string): Result[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, i) => {
    const result = resultSchema.safeParse(json(line));
    if (result.success) return result.data;
    const { path: at, message } = result.error.issues[0]!;
    throw new UserError(`${path}, line ${i + 1}: ${at.length > 0 ? `"${at.join(".")}": ` : ""}${message}`);
  });
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
