import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import type { JsonObject } from "../json.ts";
import { jsonObject, readJson } from "../json-file.ts";
import { type WritableTensor, writeTensors } from "../safetensors/write.ts";
import { type Combination, type CombinedFactors, combined } from "./combine.ts";
import { type Lora, openLora } from "./lora.ts";
import { writeRecord } from "./record.ts";
import type { Update } from "./updates.ts";

/** An adapter and its weight in a sum. */
export interface Weighted {
  readonly folder: string;
  readonly weight: number;
}

/** The sum of several adapters, whose factors are computed when they are read. */
interface MergedAdapter {
  readonly lora: Lora;
  /** PEFT's settings for it. */
  readonly config: JsonObject;
}

/**
 * Several adapters of one base as one.
 * @throws UserError if they are of two bases, more than plain LoRA, or of ranks that the method does not mix
 */
export function mergeAdapters(adapters: readonly Weighted[], how: Combination): MergedAdapter {
  const opened = adapters.map(({ folder, weight }) => ({ lora: plainLora(folder), weight, config: configOf(folder) }));
  const [first, ...others] = opened as [(typeof opened)[number], ...typeof opened];
  for (const other of others) requireOneBase(first, other);
  const modules = [...new Set(opened.flatMap(({ lora }) => [...lora.updates.keys()]))];
  const updates = new Map(modules.map((module) => [module, mergedUpdate(module, opened, how)]));
  const isShared = ({ lora: { record } }: (typeof opened)[number]) => sameJson(record, first.lora.record);
  const record = opened.every(isShared) ? first.lora.record : undefined;
  const lora: Lora = { ...first.lora, files: opened.flatMap((one) => one.lora.files), updates, record };
  return { lora, config: { ...first.config, ...settingsOf(updates) } };
}

interface Opened {
  readonly lora: Lora;
  readonly weight: number;
  readonly config: JsonObject;
}

const configOf = (folder: string): JsonObject =>
  readJson(path.join(folder, "adapter_config.json"), jsonObject, "a PEFT adapter's settings");

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function plainLora(folder: string): Lora {
  const lora = openLora(folder);
  if (lora.rows.size === 0) return lora;
  throw new UserError(`${folder}: an adapter with rows of single tokens is not merged with others`);
}

function requireOneBase({ lora: a, config: first }: Opened, { lora: b, config: second }: Opened): void {
  const key = "base_model_name_or_path";
  if (first[key] && second[key] && first[key] !== second[key])
    throw new UserError(
      `${b.folder}: this adapter is for "${second[key]}", but ${a.folder} is for "${first[key]}"; only adapters of one base are merged`,
    );
  for (const [module, update] of b.updates) {
    const other = a.updates.get(module);
    if (other && shapeOf(other) !== shapeOf(update))
      throw new UserError(
        `${b.folder}: its ${module} is [${shapeOf(update)}], but that of ${a.folder} is [${shapeOf(other)}]; only adapters of one base are merged`,
      );
  }
}

const shapeOf = ({ kind, outputs, inputs }: Update): string =>
  `${outputs}, ${inputs}${kind === "table" ? ", a table" : ""}`;

function mergedUpdate(module: string, all: readonly Opened[], how: Combination): Update {
  const found = all.flatMap(({ lora, weight }, adapter) => {
    const update = lora.updates.get(module);
    return update ? [{ adapter, weight, update, folder: lora.folder }] : [];
  });
  const [first] = found as [(typeof found)[number], ...typeof found];
  const other = found.find(({ update }) => update.rank !== first.update.rank);
  if (other && how.type !== "cat")
    throw new UserError(
      `${other.folder}: its ${module} has rank ${other.update.rank}, but that of ${first.folder} has ${first.update.rank}; ${how.type} needs equal ranks, cat takes any`,
    );
  const rank = how.type === "cat" ? found.reduce((sum, { update }) => sum + update.rank, 0) : first.update.rank;
  let factors: CombinedFactors | undefined;
  const read = () => {
    factors ??= combined(
      module,
      found.map(({ adapter, weight, update }) => {
        return { adapter, weight: weight * update.scale, rank: update.rank, a: update.a(), b: update.b() };
      }),
      how,
    );
    return factors;
  };
  return { ...first.update, scale: 1, rank, a: () => read().a, b: () => read().b };
}

/** Settings that give every module the scale 1. */
function settingsOf(updates: ReadonlyMap<string, Update>): JsonObject {
  const most = Math.max(...[...updates.values()].map(({ rank }) => rank));
  const other = [...updates].filter(([, { rank }]) => rank !== most);
  const ranks = Object.fromEntries(other.map(([module, { rank }]) => [module, rank]));
  return {
    ...{ r: most, lora_alpha: most, use_rslora: false, rank_pattern: ranks, alpha_pattern: ranks },
    // Whole names: PEFT would also match the end of one in other modules.
    ...{ target_modules: [...updates.keys()], layers_to_transform: null, exclude_modules: null },
  };
}

/** Writes an adapter's folder as PEFT does, the weights last. @throws UserError if the disk refuses it */
export async function writeMerged(folder: string, { lora, config }: MergedAdapter): Promise<void> {
  await writeRecord(folder, lora.record);
  await writeJson(path.join(folder, "adapter_config.json"), config);
  const tensors = new Map([...lora.updates].flatMap(([module, update]) => tensorsOf(module, update)));
  await writeTensors(path.join(folder, "adapter_model.safetensors"), tensors);
}

function tensorsOf(module: string, update: Update): [string, WritableTensor][] {
  const { kind, rank, inputs, outputs, a, b } = update;
  const name = (factor: "A" | "B") =>
    `base_model.model.${module}.${kind === "table" ? `lora_embedding_${factor}` : `lora_${factor}.weight`}`;
  return [
    [name("A"), { shape: [rank, inputs], values: a as () => Float32Array }],
    [name("B"), { shape: [outputs, rank], values: b as () => Float32Array }],
  ];
}
