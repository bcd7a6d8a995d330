import { existsSync } from "node:fs";
import path from "node:path";
import { headModules } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import { withHead } from "../../weights/adapter/head.ts";
import { type Lora, openLora } from "../../weights/adapter/lora.ts";
import { isMergeable, withAdapter } from "../../weights/adapter/merge.ts";
import type { AdapterRecord } from "../../weights/adapter/record.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";

/** A model's PEFT LoRA adapters, by folder: one for every request, or several for requests to choose from. */
export interface AdapterFolders {
  readonly adapter?: string | undefined;
  readonly adapters?: Readonly<Record<string, string>> | undefined;
}

/** The record of an adapter's training, and the adapter's name in messages. */
export interface NamedRecord extends AdapterRecord {
  readonly name: string;
}

/** A checkpoint and its separate adapters. */
export interface ModelFiles {
  readonly checkpoint: Checkpoint;
  /** The adapter for requests that choose none. */
  readonly own?: Lora | undefined;
  readonly named: ReadonlyMap<string, Lora>;
  /** Records by adapter name; the key `undefined` is for requests that choose no adapter. */
  readonly records: ReadonlyMap<string | undefined, NamedRecord>;
  /** The folder of the adapter for every request, if it has its own tokenizer. */
  readonly tokenizer?: string | undefined;
}

/**
 * Opens a model with its adapters. A single adapter is merged if the weights are floats and the result is the same;
 * others stay separate.
 * @throws UserError if a folder holds no supported adapter, or both `adapter` and `adapters` are given
 */
export async function openAdapted(model: string, { adapter, adapters = {} }: AdapterFolders): Promise<ModelFiles> {
  const folders = Object.entries(adapters);
  if (adapter !== undefined && folders.length > 0)
    throw new UserError("set `adapter` (for all requests) or `adapters` (for requests that name one), not both", 2);
  const base = openCheckpoint(model);
  const named = new Map(folders.map(([name, folder]) => [name, withoutTokens(name, openLora(folder))]));
  if (adapter === undefined) return { checkpoint: base, named, records: new Map([...named].flatMap(recordOf)) };
  const head = await headModules(base);
  const lora = openLora(adapter, head?.all);
  const whole = head ? withHead(base, lora, head) : base;
  const tokenizer = existsSync(path.join(adapter, "tokenizer.json")) ? adapter : undefined;
  const records = new Map(recordOf([undefined, lora]));
  return isMergeable(whole, lora)
    ? { checkpoint: withAdapter(whole, lora), named, records, tokenizer }
    : { checkpoint: whole, own: lora, named, records, tokenizer };
}

function recordOf([name, { folder, record }]: readonly [string | undefined, Lora]): [
  string | undefined,
  NamedRecord,
][] {
  return record ? [[name, { name: name ?? path.basename(path.resolve(folder)), ...record }]] : [];
}

/** Refuses an adapter with its own tokens, because all requests of a model share its tokenizer. @throws UserError */
function withoutTokens(name: string, lora: Lora): Lora {
  if (lora.rows.size === 0) return lora;
  throw new UserError(
    `the adapter "${name}" has its own tokens, so it must serve every request; give it as "adapter"`,
    2,
  );
}

/** @throws UserError if a model cannot offer several adapters to requests; `what` names the model */
export function refuseSeveral({ named, checkpoint }: ModelFiles, what: string): void {
  if (named.size === 0) return;
  throw new UserError(
    `${checkpoint.path} is ${what}: it takes one adapter for every request, as "adapter", not several as "adapters"`,
  );
}

/** @throws UserError if an adapter is given; `what` names the model, `does` starts with a verb */
export function refuseAdapters(files: ModelFiles, what: string, does: string): void {
  refuseSeveral(files, what);
  if (files.own || files.checkpoint.variant !== undefined)
    throw new UserError(`${files.checkpoint.path} ${does}, which does not support adapters`);
}
