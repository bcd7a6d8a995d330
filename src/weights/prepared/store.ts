import {
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";

const span = z.object({ offset: z.number(), bytes: z.number() });
const matrix = z.object({
  rows: z.number(),
  cols: z.number(),
  bits: z.literal([4, 8]),
  codes: span,
  scale: span,
  zero: span,
  residual: span.optional(),
});
const floats = z.object({ shape: z.array(z.number()), data: span });
const indexSchema = z.object({
  version: z.number(),
  source: z.string(),
  matrices: z.record(z.string(), matrix),
  floats: z.record(z.string(), floats),
});

export type Span = z.infer<typeof span>;
/** Where the parts of a quantised matrix lie in the prepared file. */
export type StoredMatrix = z.infer<typeof matrix>;
export type StoredFloats = z.infer<typeof floats>;
type Index = z.infer<typeof indexSchema>;

/** Changes whenever the layout does; files of another version are made again. */
export const VERSION = 4;
/** Spans start where any kernel may want them. */
const ALIGNMENT = 64;

/**
 * Weights in the kernels' layout, written once beside the model's cache and mapped by the runtime at every later start.
 * What is asked for and not there yet is appended to a file of another name; `commit` renames it, so that a kill leaves nothing half-written.
 */
export class PreparedStore {
  readonly file: string;
  readonly #indexFile: string;
  #index: Index;
  #draft: { readonly fd: number; end: number } | undefined;

  /** `source` tells what the weights are made of: what was made of another source is made again. */
  constructor(
    readonly folder: string,
    private readonly source: string,
  ) {
    this.file = path.join(folder, "weights.bin");
    this.#indexFile = path.join(folder, "weights.json");
    this.#index = readIndex(this.#indexFile, this.file, source) ?? emptyIndex(source);
  }

  /** Bytes of what was prepared before: 0 when there is nothing yet. */
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

  /** Appends bytes; throws a UserError when they cannot be written, as `commit` does. */
  append(bytes: Uint8Array | Float32Array): Span {
    const draft = this.#draft ?? this.#guarded(() => this.#begin());
    this.#draft = draft;
    const offset = Math.ceil(draft.end / ALIGNMENT) * ALIGNMENT;
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#guarded(() => {
      for (let done = 0; done < view.length; )
        done += writeSync(draft.fd, view, done, view.length - done, offset + done);
    });
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
    // What is there keeps its place: graphs may refer to it, and other processes have the file itself mapped.
    if (end > 0) copyFileSync(this.file, this.#draftFile);
    return { fd: openSync(this.#draftFile, end > 0 ? "r+" : "w"), end };
  }

  /** Runs what writes; a disk that is full, or refuses otherwise, becomes a UserError, and nothing half-written stays. */
  #guarded<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      this.abandon();
      const told = writeError(error, this.folder);
      if (!(told instanceof UserError)) throw error;
      throw new UserError(`the model is not prepared yet: ${told.message}; MODICUM_HOME may name another folder`);
    }
  }

  /** Makes what was appended permanent. */
  commit(): void {
    if (!this.#draft) return;
    this.#guarded(() => writeFileSync(this.#indexDraft, JSON.stringify(this.#index)));
    closeSync(this.#draft.fd);
    this.#draft = undefined;
    renameSync(this.#draftFile, this.file);
    renameSync(this.#indexDraft, this.#indexFile);
  }

  /** Drops what was appended since the last commit. */
  abandon(): void {
    if (!this.#draft) return;
    closeSync(this.#draft.fd);
    this.#draft = undefined;
    for (const file of [this.#draftFile, this.#indexDraft]) rmSync(file, { force: true });
    this.#index = readIndex(this.#indexFile, this.file, this.source) ?? emptyIndex(this.source);
  }
}

const emptyIndex = (source: string): Index => ({ version: VERSION, source, matrices: {}, floats: {} });

const spans = ({ matrices, floats }: Index): Span[] => [
  ...Object.values(matrices).flatMap(({ codes, scale, zero, residual }) => [codes, scale, zero, residual ?? []].flat()),
  ...Object.values(floats).map((f) => f.data),
];

const endOf = (index: Index): number => Math.max(0, ...spans(index).map((s) => s.offset + s.bytes));

/** Removes drafts of processes that were killed. */
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

/** The index of prepared weights; undefined when there is none, one of another version or source, or weights that are cut short. */
function readIndex(file: string, weights: string, source: string): Index | undefined {
  try {
    const index = indexSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    const sound = index.version === VERSION && index.source === source;
    return sound && statSync(weights).size === endOf(index) ? index : undefined;
  } catch {
    return undefined;
  }
}
