import { createHash, type Hash } from "node:crypto";
import { closeSync, copyFileSync, openSync, readdirSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import {
  emptyIndex,
  endOf,
  FILE,
  INDEX,
  type Index,
  noteSound,
  type Span,
  type StoredFloats,
  type StoredMatrix,
  soundIndex,
} from "./store-index.ts";

export type { Span, StoredFloats, StoredMatrix } from "./store-index.ts";

/** An alignment that suits all kernels. */
const ALIGNMENT = 64;

/**
 * Weights in the kernels' layout, written once into the model's cache folder; the runtime maps them at every later
 * start. Missing weights are appended to a draft file, which `commit` renames, so a kill leaves nothing half-written. A
 * file that changed since its last check is verified in full before use; a damaged file is prepared again.
 */
export class PreparedStore {
  readonly file: string;
  readonly #indexFile: string;
  /** Read on first use. */
  #known: Index | undefined;
  #draft: { readonly fd: number; readonly from: number; end: number; readonly hash: Hash } | undefined;

  /** `source` identifies the origin of the weights; weights of a different origin are prepared again. */
  constructor(
    readonly folder: string,
    private readonly source: string,
  ) {
    this.file = path.join(folder, FILE);
    this.#indexFile = path.join(folder, INDEX);
  }

  get #index(): Index {
    this.#known ??= soundIndex(this.folder, this.source) ?? emptyIndex(this.source);
    return this.#known;
  }

  /** The number of bytes prepared earlier. */
  get bytes(): number {
    return endOf(this.#index);
  }

  matrix(name: string): StoredMatrix | undefined {
    return this.#index.matrices[name];
  }

  floats(name: string): StoredFloats | undefined {
    return this.#index.floats[name];
  }

  addMatrix(name: string, stored: StoredMatrix): StoredMatrix {
    this.#index.matrices[name] = stored;
    return stored;
  }

  addFloats(name: string, stored: StoredFloats): StoredFloats {
    this.#index.floats[name] = stored;
    return stored;
  }

  /** Appends bytes. Like `commit`, throws a UserError if they cannot be written. */
  append(bytes: Uint8Array | Float32Array): Span {
    const draft = this.#draft ?? this.#guarded(() => this.#begin());
    this.#draft = draft;
    const offset = Math.ceil(draft.end / ALIGNMENT) * ALIGNMENT;
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#guarded(() => {
      for (let done = 0; done < view.length; )
        done += writeSync(draft.fd, view, done, view.length - done, offset + done);
    });
    draft.hash.update(new Uint8Array(offset - draft.end)).update(view);
    draft.end = offset + view.length;
    return { offset, bytes: view.length };
  }

  get #draftFile(): string {
    return path.join(this.folder, `weights.${process.pid}.tmp`);
  }

  get #indexDraft(): string {
    return `${this.#indexFile}.${process.pid}.tmp`;
  }

  #begin() {
    makeFolders(this.folder);
    removeOrphans(this.folder);
    const end = this.bytes;
    // Existing parts keep their offsets: graphs may refer to them, and other processes have the file mapped.
    if (end > 0) copyFileSync(this.file, this.#draftFile);
    const fd = openSync(this.#draftFile, end > 0 ? "r+" : "w");
    return { fd, from: end, end, hash: createHash("sha256") };
  }

  /** Runs a write; if it fails, for example on a full disk, leaves nothing half-written and throws a UserError. */
  #guarded<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      this.abandon();
      const fault = writeError(error, this.folder);
      if (!(fault instanceof UserError)) throw error;
      throw new UserError(
        `the model is not prepared yet: ${fault.message}; set MODICUM_HOME to use a different folder`,
      );
    }
  }

  /** Makes appended weights permanent. */
  commit(): void {
    if (!this.#draft) return;
    const { fd, from, end, hash } = this.#draft;
    this.#index.seals.push({ from, end, sha256: hash.digest("hex") });
    this.#guarded(() => writeFileSync(this.#indexDraft, JSON.stringify(this.#index)));
    closeSync(fd);
    this.#draft = undefined;
    renameSync(this.#draftFile, this.file);
    renameSync(this.#indexDraft, this.#indexFile);
    noteSound(this.folder);
  }

  /** Drops weights appended since the last commit. */
  abandon(): void {
    if (!this.#draft) return;
    closeSync(this.#draft.fd);
    this.#draft = undefined;
    for (const file of [this.#draftFile, this.#indexDraft]) rmSync(file, { force: true });
    this.#known = undefined;
  }
}

/** Removes drafts left by processes that were killed. */
function removeOrphans(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /^weights\.(?:json\.)?(\d+)\.tmp$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(path.join(folder, name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
