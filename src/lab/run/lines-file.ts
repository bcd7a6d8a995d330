import { existsSync } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import type { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { writeError } from "../../util/system-errors.ts";
import { jsonIn } from "../../weights/json.ts";
import { stringify } from "../reals.ts";

/** The number of lines between two syncs to disk. */
const BATCH = 16;

/** A file of JSON lines, each appended as soon as it is known. A killed process loses no completed line. */
export class LinesFile<T> {
  #unsynced = 0;
  /** The running sync, during which further lines are written. */
  #syncing: Promise<void> = Promise.resolve();

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /**
   * Opens or creates the file; drops a truncated last line.
   * @throws UserError if it holds anything else, or if `check` throws
   */
  static async open<S extends z.ZodType>(
    path: string,
    schema: S,
    check?: (lines: readonly z.output<S>[]) => void,
  ): Promise<{ file: LinesFile<z.output<S>>; lines: z.output<S>[] }> {
    const file = await open(path, "a+").catch((error: unknown) => {
      throw writeError(error, path);
    });
    try {
      const text = await file.readFile("utf8");
      const whole = wholeLines(text);
      const lines = parse(path, whole, schema);
      check?.(lines);
      if (whole.length < text.length) await file.truncate(Buffer.byteLength(whole));
      return { file: new LinesFile(path, file), lines };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** @throws UserError if the disk is full */
  async add(line: T): Promise<void> {
    try {
      await this.file.appendFile(`${stringify(line)}\n`);
      if (++this.#unsynced >= BATCH) await this.#sync();
    } catch (error) {
      throw writeError(error, this.path);
    }
  }

  /** Begins a sync once the previous sync has ended; throws if that sync failed. */
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
 * The lines of a file, without a truncated last line; empty if the file is missing.
 * @throws UserError if a line does not fit the schema
 */
export async function heldLines<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S>[]> {
  if (!existsSync(path)) return [];
  return parse(path, wholeLines(await readFile(path, "utf8")), schema);
}

/** Drops the last line if it is incomplete, as after a kill. */
const wholeLines = (text: string): string => text.slice(0, text.lastIndexOf("\n") + 1);

/** @throws UserError if a line does not fit the schema */
function parse<S extends z.ZodType>(path: string, text: string, schema: S): z.output<S>[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, i) => {
    const result = schema.safeParse(jsonIn(line));
    if (result.success) return result.data;
    const { path: at, message } = result.error.issues[0]!;
    throw new UserError(`${path}, line ${i + 1}: ${at.length > 0 ? `"${at.join(".")}": ` : ""}${message}`);
  });
}
