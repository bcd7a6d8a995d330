import { createHash } from "node:crypto";
import { sequenceBytes } from "../../../models/state/state-groups.ts";
import type { Plan } from "../../../savings/plan.ts";
import { version } from "../../../util/package-root.ts";
import { adapterHash } from "../../../weights/adapter/record.ts";
import { processorKey } from "../../../weights/prepared/tuning.ts";
import { modelHash } from "../../../weights/sources/index.ts";
import type { AdapterFolders } from "../../file/adapters.ts";
import type { LanguageModel } from "../language-model.ts";
import { chunkAfter } from "../run/chunk.ts";
import type { PrefixFolder } from "./prefix-folder.ts";
import type { Slot } from "./slot.ts";

/** A folder of whole chunks of one engine's dense prompts; reusing a chunk is bit-equal to running the prompt alone. */
export class DiskPrefixes {
  constructor(
    private readonly folder: PrefixFolder,
    /** Everything that determines a chunk's bits, except its tokens and its plan. */
    private readonly bound: string,
  ) {}

  /**
   * Reads the part of a prompt that the folder has, and the slot lacks, into the slot; yields the number of tokens read
   * after each chunk. The last token always runs.
   */
  async *restore(slot: Slot, prompt: readonly number[], plan: Plan, used: Date): AsyncGenerator<number> {
    if (!applies(slot, plan)) return;
    slot.prepare(prompt.length);
    const chunks: StoredPrefix[] = [];
    for (const chunk of this.#chunks(slot, prompt, plan)) {
      if (!(await this.folder.has(chunk.name))) break;
      // Later chunks are useless without earlier ones, so they are deleted first.
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

  /** Writes the slot's last tokens to disk if they are a whole chunk. */
  keep(slot: Slot, plan: Plan, used: Date): void {
    const chunk = applies(slot, plan) ? slot.lastChunk : undefined;
    if (!chunk || slot.tokens.some((id) => id < 0)) return;
    const contents = slot.cache.read(chunk.first, chunk.end);
    this.folder.keep(this.#name(slot, slot.tokens, plan), contents, new Date(used.getTime() - chunk.end));
  }

  /** The whole chunks of a prompt, up to its last token or its first image. */
  *#chunks(slot: Slot, prompt: readonly number[], plan: Plan): Generator<StoredPrefix> {
    const image = prompt.findIndex((id) => id < 0);
    const most = image < 0 ? prompt.length - 1 : image;
    for (let first = 0; ; ) {
      const end = first + chunkAfter(slot.programs, first);
      if (end > most) return;
      yield { name: this.#name(slot, prompt.slice(0, end), plan), first, end };
      first = end;
    }
  }

  /** A chunk's name: equal for equal tokens if the plans leave the same state. */
  #name({ longRope }: Slot, tokens: readonly number[], { state }: Plan): string {
    const hash = createHash("sha256").update(JSON.stringify([this.bound, state.prompt, longRope]));
    return hash.update(Int32Array.from(tokens)).digest("hex");
  }
}

/** Lets a model, opened with these adapters, cache chunks of prompts in a folder. */
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

interface StoredPrefix {
  readonly name: string;
  readonly first: number;
  readonly end: number;
}

/** True if the slot's memory can be read, and the plan leaves the same reusable state in all layers. */
const applies = ({ onDevice }: Slot, { cuts, state }: Plan): boolean =>
  !onDevice && cuts.length === 0 && state.prompt !== undefined;
