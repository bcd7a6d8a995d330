import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import type { JsonObject } from "../json.ts";
import { jsonObject, readJson } from "../json-file.ts";
import { type WritableTensor, writeTensors } from "../safetensors/write.ts";
import { formNames } from "../tokenizer/index.ts";
import { type Combination, type CombinedFactors, combined } from "./combine.ts";
import { type Lora, openLora, readAdapter, refuseDora } from "./lora.ts";
import { type AdapterRecord, writeRecord } from "./record.ts";
import type { Update } from "./updates.ts";

/** An adapter and its weight in a sum. */
export interface WeightedAdapter {
  readonly folder: string;
  readonly weight: number;
}

/** The sum of several adapters; its factors are computed when read. */
interface MergedAdapter {
  readonly lora: Lora;
  /** The PEFT settings of the sum. */
  readonly config: JsonObject;
}

/**
 * Merges several adapters of the same base.
 * @throws UserError if they have different bases or prompt formats, are not plain LoRA, or have ranks that the method
 * cannot mix
 */
export function mergeAdapters(adapters: readonly WeightedAdapter[], how: Combination): MergedAdapter {
  const read = adapters.map(({ folder, weight }) => ({ folder, weight, config: configOf(folder) }));
  const base = baseOf(read);
  const opened = read.map(({ folder, ...one }) => ({ ...one, lora: plainLora(folder, one.config) }));
  const record = recordOf(opened.map(({ lora }) => lora));
  const modules = [...new Set(opened.flatMap(({ lora }) => [...lora.updates.keys()]))];
  const updates = new Map(modules.map((module) => [module, mergedUpdate(module, opened, how)]));
  const lora: Lora = { ...opened[0]!.lora, files: opened.flatMap((one) => one.lora.files), updates, record };
  const configs = opened.map(({ config }) => config);
  return { lora, config: settingsOf(base, configs, updates) };
}

interface OpenAdapter {
  readonly lora: Lora;
  readonly weight: number;
  readonly config: JsonObject;
}

const configOf = (folder: string): JsonObject =>
  readJson(readAdapter(folder).config, jsonObject, "a PEFT adapter's settings");

function plainLora(folder: string, { modules_to_save: whole }: JsonObject): Lora {
  if (Array.isArray(whole) && whole.length > 0)
    throw new UserError(
      `${folder}: the adapter also has fully trained modules (${whole.join(", ")}), which have no weighted sum; use export MODEL DIR --format safetensors --adapter to add it to its model`,
    );
  const lora = openLora(folder);
  refuseDora(lora, "it cannot be merged with others");
  if (lora.rows.size === 0) return lora;
  throw new UserError(`${folder}: an adapter with rows of single tokens cannot be merged with others`);
}

/** The base's name; null if no adapter names one. @throws UserError for adapters of different bases */
function baseOf(read: readonly { readonly folder: string; readonly config: JsonObject }[]): unknown {
  const named = read.flatMap(({ folder, config: { base_model_name_or_path: name } }) =>
    name ? [{ folder, name }] : [],
  );
  const [first] = named;
  const other = named.find(({ name }) => name !== first!.name);
  if (other)
    throw new UserError(
      `${other.folder}: this adapter is for "${other.name}", but ${first!.folder} is for "${first!.name}"; only adapters of the same base can be merged`,
    );
  return first?.name ?? null;
}

/** The adapters' common prompt record; undefined if an adapter has none. @throws UserError if records differ */
function recordOf(loras: readonly Lora[]): AdapterRecord | undefined {
  const recorded = loras.flatMap(({ folder, record }) => (record ? [{ folder, ...record }] : []));
  const [first] = recorded;
  for (const { folder, prompt, template } of recorded) {
    if (prompt !== first!.prompt)
      throw new UserError(
        `${folder}: this adapter was trained on ${formNames[prompt]}, but ${first!.folder} on ${formNames[first!.prompt]}; only adapters with the same prompt form can be merged`,
      );
    if (template !== first!.template)
      throw new UserError(
        `${folder}: this adapter and ${first!.folder} were trained with different chat templates; only adapters with the same template can be merged`,
      );
  }
  return recorded.length === loras.length ? loras[0]!.record : undefined;
}

const shapeOf = ({ kind, outputs, inputs }: Update): string =>
  `${outputs}, ${inputs}${kind === "table" ? ", a table" : ""}`;

interface AdapterUpdate {
  /** The adapter's index in the list. */
  readonly adapter: number;
  readonly folder: string;
  readonly weight: number;
  readonly update: Update;
}

function mergedUpdate(module: string, all: readonly OpenAdapter[], how: Combination): Update {
  const parts = all.flatMap(({ lora, weight }, adapter) => {
    const update = lora.updates.get(module);
    return update ? [{ adapter, weight, update, folder: lora.folder }] : [];
  });
  requireMixable(module, parts, how);
  const first = parts[0]!.update;
  const rank = how.type === "cat" ? parts.reduce((sum, { update }) => sum + update.rank, 0) : first.rank;
  const factors = readInTurn(() =>
    combined(
      module,
      parts.map(({ adapter, weight, update }) => {
        return { adapter, weight: weight * update.scale, rank: update.rank, a: update.a(), b: update.b() };
      }),
      how,
    ),
  );
  return { ...first, scale: 1, rank, ...factors };
}

/** @throws UserError if a module's updates differ in shape, or in a rank that must be equal */
function requireMixable(module: string, parts: readonly AdapterUpdate[], { type }: Combination): void {
  const [first] = parts as [AdapterUpdate, ...AdapterUpdate[]];
  for (const { folder, update } of parts) {
    if (shapeOf(update) !== shapeOf(first.update))
      throw new UserError(
        `${folder}: its ${module} is [${shapeOf(update)}], but in ${first.folder} it is [${shapeOf(first.update)}]; only adapters of the same base can be merged`,
      );
    if (type !== "cat" && update.rank !== first.update.rank)
      throw new UserError(
        `${folder}: its ${module} has rank ${update.rank}, but in ${first.folder} it has rank ${first.update.rank}; ${type} needs equal ranks, but cat takes any`,
      );
  }
}

/**
 * Computes both factors when one is read, keeps the other until it is read, and then keeps neither: all factors
 * together may exceed memory.
 */
function readInTurn(compute: () => CombinedFactors): Pick<Update, "a" | "b"> {
  let unread: Partial<CombinedFactors> = {};
  const read = (name: "a" | "b"): Float32Array => {
    const factors = unread[name] ? unread : compute();
    unread = { ...factors, [name]: undefined };
    return factors[name]!;
  };
  return { a: () => read("a"), b: () => read("b") };
}

/** PEFT's settings for plain LoRA with scale 1 in every module. The sources' other settings do not apply to the sum. */
function settingsOf(base: unknown, configs: readonly JsonObject[], updates: ReadonlyMap<string, Update>): JsonObject {
  const { task_type = null, revision = null, auto_mapping = null } = configs[0]!;
  const most = Math.max(...[...updates.values()].map(({ rank }) => rank));
  const other = [...updates].filter(([, { rank }]) => rank !== most);
  const ranks = Object.fromEntries(other.map(([module, { rank }]) => [module, rank]));
  return {
    ...{ peft_type: "LORA", task_type, base_model_name_or_path: base, revision, auto_mapping },
    ...{ r: most, lora_alpha: most, use_rslora: false, rank_pattern: ranks, alpha_pattern: ranks },
    ...{ lora_dropout: 0, bias: "none", init_lora_weights: true, inference_mode: true },
    fan_in_fan_out: configs.some(({ fan_in_fan_out }) => fan_in_fan_out === true),
    // Full names, because PEFT would match endings of names in other modules.
    ...{ target_modules: [...updates.keys()], exclude_modules: null },
    ...{ layers_to_transform: null, layers_pattern: null },
  };
}

/** Writes an adapter's folder in PEFT's format, the weights last. @throws UserError if writing fails */
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
