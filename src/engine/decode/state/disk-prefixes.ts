import { createHash, webcrypto } from "node:crypto";
import { access, readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import { sequenceBytes } from "../../../models/state/state-groups.ts";
import type { Plan } from "../../../savings/plan.ts";
import { makeFolders } from "../../../util/make-folders.ts";
import { version } from "../../../util/package-root.ts";
import { writeError } from "../../../util/system-errors.ts";
import { fillWhole } from "../../../util/write-whole.ts";
import { adapterHash } from "../../../weights/adapter/record.ts";
import { processorKey } from "../../../weights/prepared/tuning.ts";
import { modelHash } from "../../../weights/sources/index.ts";
import type { AdapterFolders } from "../../file/adapters.ts";
import type { LanguageModel } from "../language-model.ts";
import { chunkAfter } from "../run/chunk.ts";
import type { Slot } from "./slot.ts";

/** Bytes of a SHA-256, which follows the contents of each file. */
const DIGEST = 32;

/** The most chunks in memory that wait for the disk; more are not written. */
const WAITING = 8;

/** The part of the limit that is written between two looks at the folder, and stays free after each. */
const SPARE = 0.05;

/** A folder of chunks of prompts, shared by all models of a server, within a limit in bytes. The least recently used go. */
export class PrefixFolder {
  #writing: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Bytes written since the last look at the folder. */
  #unseen = Number.POSITIVE_INFINITY;
  #failed = false;

  constructor(
    private readonly folder: string,
    private readonly limit: number,
    private readonly onNotice: (sentence: string) => void = () => {},
  ) {}

  /** Resolves when all chunks are written. */
  get written(): Promise<void> {
    return this.#writing;
  }

  async has(name: string): Promise<boolean> {
    return access(this.#file(name)).then(
      () => true,
      () => false,
    );
  }

  /** A chunk's contents; undefined if it is not on disk. A damaged file is deleted. */
  async read(name: string, bytes: number): Promise<Uint8Array | undefined> {
    const file = await readFile(this.#file(name)).catch(() => undefined);
    if (!file) return undefined;
    const contents = file.subarray(0, bytes);
    if (file.length === bytes + DIGEST && file.subarray(bytes).equals(await digestOf(contents))) return contents;
    await rm(this.#file(name), { force: true });
    return undefined;
  }

  /** Marks a chunk as used. */
  async touch(name: string, used: Date): Promise<void> {
    // Another server may have dropped it.
    await utimes(this.#file(name), used, used).catch(() => {});
  }

  /** Writes a chunk after those before it. */
  keep(name: string, contents: Uint8Array, used: Date): void {
    if (this.#waiting >= WAITING) return;
    this.#waiting++;
    this.#writing = this.#writing.then(async () => {
      try {
        await this.#write(name, contents, used);
      } catch (error) {
        const fault = writeError(error, this.folder);
        if (!this.#failed) this.onNotice(fault instanceof Error ? fault.message : String(fault));
        this.#failed = true;
      } finally {
        this.#waiting--;
      }
    });
  }

  async #write(name: string, contents: Uint8Array, used: Date): Promise<void> {
    const digest = await digestOf(contents);
    makeFolders(this.folder);
    await fillWhole(
      this.#file(name),
      async (part) => {
        await part.writeFile(contents);
        await part.writeFile(digest);
      },
      0o600,
    );
    await this.touch(name, used);
    this.#unseen += contents.length + DIGEST;
    if (this.#unseen > SPARE * this.limit) await this.#bound();
  }

  /** Drops the least recently used chunks until some room is left. */
  async #bound(): Promise<void> {
    const names = await readdir(this.folder);
    const found = await Promise.all(
      names.map(async (name) => {
        const known = await stat(this.#file(name)).catch(() => undefined);
        return { name, size: known?.size ?? 0, used: known?.mtimeMs ?? 0 };
      }),
    );
    let bytes = found.reduce((sum, { size }) => sum + size, 0);
    for (const { name, size } of found.sort((a, b) => a.used - b.used)) {
      if (bytes <= (1 - SPARE) * this.limit) break;
      await rm(this.#file(name), { force: true });
      bytes -= size;
    }
    this.#unseen = 0;
  }

  #file(name: string): string {
    return path.join(this.folder, name);
  }
}

/** The whole chunks of one engine's dense prompts in a folder: continuing from one is bit-equal to running the prompt alone. */
export class DiskPrefixes {
  constructor(
    private readonly folder: PrefixFolder,
    /** Everything that decides a chunk's bits, except its tokens and its plan. */
    private readonly bound: string,
  ) {}

  /**
   * Reads into a slot what the folder has of a prompt beyond the slot's own tokens; yields the number of tokens read after
   * each chunk. The last token always runs.
   */
  async *restore(slot: Slot, prompt: readonly number[], plan: Plan, used: Date): AsyncGenerator<number> {
    if (!applies(slot, plan)) return;
    slot.prepare(prompt.length);
    const chunks: Stored[] = [];
    for (const chunk of this.#chunks(slot, prompt, plan)) {
      if (!(await this.folder.has(chunk.name))) break;
      // Later chunks are of no use without earlier ones, so they go first.
      await this.folder.touch(chunk.name, new Date(used.getTime() - chunk.end));
      chunks.push(chunk);
    }
    if ((chunks.at(-1)?.end ?? 0) <= slot.tokens.length) return;
    slot.truncate(slot.chunksOf(prompt, plan.state.prompt));
    for (const { name, first, end } of chunks) {
      if (end <= slot.tokens.length) continue;
      if (first !== slot.tokens.length) slot.truncate(0);
      const contents = await this.folder.read(name, sequenceBytes(slot.cache.config, end - first));
      if (!contents) return;
      slot.restore(prompt.slice(first, end), plan.state.prompt, contents);
      yield end - first;
    }
  }

  /** Writes the slot's last tokens if they are a whole chunk. */
  keep(slot: Slot, plan: Plan, used: Date): void {
    const chunk = applies(slot, plan) ? slot.lastChunk : undefined;
    if (!chunk || slot.tokens.some((id) => id < 0)) return;
    const contents = slot.cache.read(chunk.first, chunk.end);
    this.folder.keep(this.#name(slot, slot.tokens, plan), contents, new Date(used.getTime() - chunk.end));
  }

  /** The whole chunks of a prompt, up to its last token or its first image. */
  *#chunks(slot: Slot, prompt: readonly number[], plan: Plan): Generator<Stored> {
    const image = prompt.findIndex((id) => id < 0);
    const most = image < 0 ? prompt.length - 1 : image;
    for (let first = 0; ; ) {
      const end = first + chunkAfter(slot.programs, first);
      if (end > most) return;
      yield { name: this.#name(slot, prompt.slice(0, end), plan), first, end };
      first = end;
    }
  }

  /** Equal for equal tokens under plans that leave the same state. */
  #name({ longRope }: Slot, tokens: readonly number[], { state }: Plan): string {
    const hash = createHash("sha256").update(JSON.stringify([this.bound, state.prompt, longRope]));
    return hash.update(Int32Array.from(tokens)).digest("hex");
  }
}

/** Has a model, opened with these adapters, keep chunks of prompts in a folder. */
export async function keepPrefixes(
  model: LanguageModel,
  folder: PrefixFolder,
  { adapter, adapters = {} }: AdapterFolders,
): Promise<void> {
  const base = [version(), await modelHash(model.source), model.form, processorKey()];
  const prefixesOf = (lora?: string) =>
    new DiskPrefixes(folder, JSON.stringify([...base, lora === undefined ? "" : adapterHash(lora)]));
  model.engine.prefixes = prefixesOf(adapter);
  for (const [name, lora] of Object.entries(adapters)) model.engineFor(name).prefixes = prefixesOf(lora);
}

interface Stored {
  readonly name: string;
  readonly first: number;
  readonly end: number;
}

/** True if the slot's memory can be read, and the plan leaves state that others may reuse, alike in all layers. */
const applies = ({ onDevice }: Slot, { cuts, state }: Plan): boolean =>
  !onDevice && cuts.length === 0 && state.prompt !== undefined;

/** Computed in another thread. */
const digestOf = async (bytes: Uint8Array): Promise<Uint8Array> =>
  new Uint8Array(await webcrypto.subtle.digest("SHA-256", bytes));
