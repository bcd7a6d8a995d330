import path from "node:path";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import type { Layout } from "../../weights/adapter/lora-layers.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { type WritableTensor, writeTensors } from "../../weights/safetensors/write.ts";
import type { LoraOptions } from "../options.ts";

/** The trained update of one matrix [outputs, inputs], row-major: the options' scale · down · up. */
export interface LoraFactors {
  readonly inputs: number;
  readonly outputs: number;
  /** [inputs, rank] */
  down(): Float32Array;
  /** [rank, outputs] */
  up(): Float32Array;
  /** DoRA's norms, [outputs]; absent for plain LoRA. */
  readonly magnitude?: (() => Float32Array) | undefined;
}

/** The trained rows of some of a table's tokens, in float32. */
export interface TrainedRows {
  /** The table's canonical name without `.weight`. */
  readonly table: string;
  readonly ids: readonly number[];
  /** [ids, width] */
  values(): Float32Array;
}

/** A tensor that is trained in full, in float32. */
export interface SavedTensor {
  /** The tensor's canonical name. */
  readonly name: string;
  readonly shape: readonly number[];
  values(): Float32Array;
}

/** A LoRA adapter to write in PEFT's format. */
export interface WritableAdapter {
  /** The base model's name as other tools resolve it. */
  readonly base: string;
  /** The task for which the base model was opened: with its head, or only for its hidden states. */
  readonly task: "CAUSAL_LM" | "SEQ_CLS" | "FEATURE_EXTRACTION";
  readonly lora: LoraOptions;
  readonly layout: Layout;
  readonly names: Names;
  /** LoRA factors, keyed by the matrix's canonical name without `.weight`. */
  readonly factors: ReadonlyMap<string, LoraFactors>;
  readonly rows?: readonly TrainedRows[];
  /** PEFT's `modules_to_save`. */
  readonly saved?: readonly SavedTensor[];
}

/**
 * Writes `adapter_config.json` and `adapter_model.safetensors` (float32) into a folder, which is created if missing.
 * Each file is written atomically, the weights last.
 * @throws UserError if writing fails
 */
export async function writeAdapter(folder: string, adapter: WritableAdapter): Promise<void> {
  try {
    makeFolders(folder);
  } catch (error) {
    throw writeError(error, folder);
  }
  await writeJson(path.join(folder, "adapter_config.json"), configOf(adapter));
  const layers = [...modulesIn(adapter)].flatMap(([module, names]) => tensorsOf(module, names, adapter));
  const saved = (adapter.saved ?? []).map(({ name, ...tensor }) => {
    const { module, kind } = savedIn(adapter, name);
    return [`base_model.model.${module}.${kind}`, tensor] as const;
  });
  const tensors = [...layers, ...saved, ...(adapter.rows ?? []).map((rows) => rowsTensor(rows, adapter))];
  await writeTensors(path.join(folder, "adapter_model.safetensors"), new Map(tensors));
}

function configOf(adapter: WritableAdapter) {
  const { base, task, lora, names, factors, rows, saved } = adapter;
  return {
    ...{ peft_type: "LORA", task_type: task, base_model_name_or_path: base },
    ...{ r: lora.rank, lora_alpha: lora.alpha, use_rslora: lora.use_rslora, lora_dropout: lora.lora_dropout },
    ...{ use_dora: lora.use_dora, bias: "none", init_lora_weights: true },
    // Full names, because PEFT would match a shorter name as a suffix in other modules.
    target_modules: [...modulesIn(adapter).keys()],
    fan_in_fan_out: [...factors.keys()].some((name) => isTransposed(names, name)),
    inference_mode: true,
    modules_to_save:
      saved && saved.length > 0 ? [...new Set(saved.map(({ name }) => savedIn(adapter, name).module))] : null,
    ...(rows && rows.length > 0 && { trainable_token_indices: indicesOf(rows, adapter) }),
  };
}

/** The matrices of each module, in the order of their parts. */
function modulesIn(adapter: WritableAdapter): ReadonlyMap<string, readonly string[]> {
  const at = (name: string) => adapter.layout.part?.(name)?.[0] ?? 0;
  const modules = new Map<string, string[]>();
  for (const name of [...adapter.factors.keys()].toSorted((a, b) => at(a) - at(b))) {
    const module = moduleOf(adapter, name);
    modules.set(module, [...(modules.get(module) ?? []), name]);
  }
  return modules;
}

/** The PEFT tensors of one module, whose matrices share the first factor. */
function tensorsOf(module: string, names: readonly string[], adapter: WritableAdapter): [string, WritableTensor][] {
  const { factors } = adapter;
  const { rank } = adapter.lora;
  const all = names.map((name) => factors.get(name)!);
  const { inputs, down } = all[0]!;
  const outputs = all.reduce((sum, each) => sum + each.outputs, 0);
  const magnitude = () => Float32Array.from(names.flatMap((name) => [...magnitudeOf(name, adapter)]));
  const a = () => placed(down(), rank, inputs, (k, i) => i * rank + k);
  const b = () => {
    const values = new Float32Array(outputs * rank);
    let first = 0;
    for (const name of names) {
      values.set(secondOf(name, adapter), first);
      first += adapter.factors.get(name)!.outputs * rank;
    }
    return values;
  };
  const tensors: [string, WritableTensor][] = [
    [`base_model.model.${module}.lora_A.weight`, { shape: [rank, inputs], values: a }],
    [`base_model.model.${module}.lora_B.weight`, { shape: [outputs, rank], values: b }],
  ];
  if (adapter.lora.use_dora)
    tensors.push([`base_model.model.${module}.lora_magnitude_vector`, { shape: [outputs], values: magnitude }]);
  return tensors;
}

/** Maps each row in PEFT's order to its row in the matrix's own order. */
function rowsInModule(name: string, { layout, factors }: WritableAdapter): Int32Array {
  const { outputs } = factors.get(name)!;
  const rows = new Int32Array(outputs);
  for (let o = 0; o < outputs; o++) rows[layout.row(name, o)] = o;
  return rows;
}

function magnitudeOf(name: string, adapter: WritableAdapter): Float32Array {
  const norms = adapter.factors.get(name)!.magnitude!();
  return Float32Array.from(rowsInModule(name, adapter), (row) => norms[row]!);
}

/** A matrix's second factor in PEFT's layout, [outputs, rank]. */
function secondOf(name: string, adapter: WritableAdapter): Float32Array {
  const { lora, factors } = adapter;
  const { outputs, up } = factors.get(name)!;
  const rows = rowsInModule(name, adapter);
  return placed(up(), outputs, lora.rank, (row, k) => k * outputs + rows[row]!);
}

/** The trained token ids of each table, keyed by the last part of PEFT's module name. */
const indicesOf = (rows: readonly TrainedRows[], adapter: WritableAdapter) =>
  Object.fromEntries(rows.map(({ table, ids }) => [moduleOf(adapter, table).split(".").at(-1), ids]));

const rowsTensor = ({ table, ids, values }: TrainedRows, adapter: WritableAdapter): [string, WritableTensor] => [
  `base_model.model.${moduleOf(adapter, table)}.token_adapter.trainable_tokens_delta`,
  { shape: [ids.length, values().length / ids.length], values },
];

/** Reorders values into a matrix [rows, columns]: `from` returns the index of each element. */
function placed(
  values: Float32Array,
  rows: number,
  columns: number,
  from: (row: number, column: number) => number,
): Float32Array {
  const out = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[r * columns + c] = values[from(r, c)]!;
  return out;
}

/** The module that holds a tensor, and the tensor's name there: `weight` or `bias`. */
function savedIn(adapter: WritableAdapter, name: string): { module: string; kind: string } {
  const at = name.lastIndexOf(".");
  return { module: moduleOf(adapter, name.slice(0, at)), kind: name.slice(at + 1) };
}

/** The module's name in the base model's code; models that only compute hidden states omit the outermost name. */
function moduleOf({ layout, task }: WritableAdapter, name: string): string {
  const modules = layout.modules(name);
  const shortest = modules.toSorted((a, b) => a.length - b.length)[0];
  const module = task === "FEATURE_EXTRACTION" ? shortest : modules[0];
  if (module === undefined) throw new Error(`no module has the matrix ${name}`);
  return module;
}

function isTransposed(names: Names, name: string): boolean {
  const entry = names(`${name}.weight`);
  return typeof entry !== "string" && entry.transposed === true;
}
