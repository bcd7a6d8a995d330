import { keepPrefixes } from "../../engine/decode/state/disk-prefixes.ts";
import type { PrefixFolder } from "../../engine/decode/state/prefix-folder.ts";
import { describeModel } from "../../engine/file/describe.ts";
import { openModel, runsOn } from "../../engine/file/open-model.ts";
import type { KeyValues, Turns } from "../../engine/schedule/fair-queue.ts";
import type { SchedulerOptions } from "../../engine/schedule/scheduler.ts";
import type { Auditor } from "../../library/auditor.ts";
import { Model } from "../../library/model.ts";
import { asModelFault } from "../../weights/model-fault.ts";
import { checkDownload } from "../../weights/sources/index.ts";
import { foldersOf } from "./adapters.ts";
import type { ModelChoice } from "./served.ts";

/** A loaded model, and its request queue. */
export interface QueuedModel {
  readonly model: Model;
  readonly turns: Turns | undefined;
}

/** A model that a request needs in memory, whatever its recipe. */
export interface ModelRequest extends Omit<ModelChoice, "recipe"> {
  /** Identifies the model in memory. */
  readonly name: string;
  /** Bytes of the model's weights. */
  readonly bytes: number;
}

/** A model in memory, or being loaded. */
export interface HeldModel extends ModelRequest {
  readonly loading: Promise<QueuedModel>;
  /** Set once the model is loaded. */
  loaded: QueuedModel | undefined;
  /** Requests. */
  users: number;
  /** The sequence number of the model's last use; the least recently used model is unloaded first. */
  used: number;
  /** Milliseconds that the model stays in memory once unused, as set by its last request. */
  keepAlive: number;
  /** The timer that unloads the unused model. */
  unload?: NodeJS.Timeout;
}

/** The numbers of a model's running and waiting answers. */
export interface AtWork {
  readonly id: string;
  readonly running: number;
  readonly waiting: number;
}

export interface PoolEntry extends AtWork {
  readonly quant: ModelChoice["quant"];
  /** Requests. */
  readonly users: number;
  readonly keyValues: KeyValues | undefined;
}

export const entryOf = ({ served, quant, users, loaded }: HeldModel): PoolEntry => ({
  id: served.id,
  ...{ quant, users },
  ...atWork(loaded, users),
  keyValues: loaded?.turns?.keyValues,
});

/** Without a queue, requests count as running once the model is loaded. */
function atWork(loaded: QueuedModel | undefined, users: number): Omit<AtWork, "id"> {
  if (!loaded) return { running: 0, waiting: users };
  const { running, waiting } = loaded.turns ?? { running: users, waiting: 0 };
  return { running, waiting };
}

/**
 * Names a copy in memory: a model has one per form of its weights, and one per adapter that applies to all its
 * requests.
 */
export const nameOf = ({ served, quant, ownAdapter }: Pick<ModelChoice, "served" | "quant" | "ownAdapter">): string =>
  JSON.stringify([served.id, quant, ownAdapter]);

/** A model's bytes with its adapters; in the default form, about the size of its files. */
export const bytesOf = async ({
  served: { source, adapters },
  quant,
}: Pick<ModelChoice, "served" | "quant">): Promise<number> =>
  adapters.reduce(
    (sum, { bytes }) => sum + bytes,
    quant === "auto" ? source.bytes : (await describeModel(source, quant)).bytes.memory,
  );

/** Bytes of a model's weights, and of its answers' keys and values. */
export const sizeOf = ({ bytes, loaded }: HeldModel): number => bytes + (loaded?.turns?.keyValues?.bytes ?? 0);

/** The options for models in memory. */
export interface Holding {
  readonly scheduling: SchedulerOptions;
  /** Audits answers given under certificates; undefined if audits are off. */
  readonly auditor?: Auditor | undefined;
  /** The disk cache of prompts' keys and values; undefined without one. */
  readonly prefixes?: PrefixFolder | undefined;
  readonly onNotice?: ((sentence: string) => void) | undefined;
}

/** @throws ModelFault if the server's model cannot be loaded */
export async function load(
  { served, quant, ownAdapter }: ModelRequest,
  { scheduling, auditor, prefixes, onNotice }: Holding,
): Promise<QueuedModel> {
  const started = performance.now();
  try {
    // The file may have been damaged since the server found it.
    await checkDownload(served.source.path);
    // Models other than decoders run on the CPU.
    const adapters = ownAdapter === undefined ? { adapters: foldersOf(served.adapters) } : { adapter: ownAdapter };
    const device = runsOn(served.source, served.device) ? served.device : "cpu";
    const loaded = await openModel(served.source, [], quant, { ...adapters, device }, onNotice);
    const model = await Model.open(loaded, [], started, { adapter: ownAdapter });
    const turns = model.schedule(scheduling);
    if (auditor) model.audit(auditor);
    if (prefixes && loaded.kind === "decoder") await keepPrefixes(loaded, prefixes, adapters);
    return { model, turns };
  } catch (error) {
    throw asModelFault(error);
  }
}
