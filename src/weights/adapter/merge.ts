import type { Checkpoint, Rows, StoredTensor } from "../checkpoint.ts";
import { adapted, type Lora } from "./lora.ts";
import { doesNotFit, isMissing } from "./lora-layers.ts";
import type { Update } from "./updates.ts";

/**
 * True if the adapter can be merged into the weights, which must be floats and have a single use, unlike an embedding
 * table that is also the head.
 */
export const isMergeable = ({ config, tensors }: Checkpoint, { updates, rows }: Lora): boolean =>
  config.kind === "huggingface" &&
  rows.size === 0 &&
  [...updates].every(
    ([module, { kind }]) => kind === "matrix" && (module !== "lm_head" || tensors.has("lm_head.weight")),
  );

/**
 * Merges a LoRA adapter into a checkpoint, where updated tensors are then read as sums. The files of both
 * identify the prepared weights.
 * @throws UserError if the adapter is for another model
 */
export function withAdapter(base: Checkpoint, lora: Lora): Checkpoint {
  const updates = fitting(base, lora);
  return {
    ...adapted(base, lora),
    floats: (tensor, rows) => {
      const update = updates.get(tensor.name);
      if (update?.magnitude && isTurned(tensor, update)) return turnedRows(base, update, tensor, rows);
      const values = base.floats(tensor, rows);
      if (update) add(values, update, tensor, rows);
      if (update?.magnitude) rescale(values, update, rows);
      return values;
    },
  };
}

/** The updates, keyed by the changed tensor's name in the checkpoint. */
function fitting({ path, tensors }: Checkpoint, lora: Lora): Map<string, Update> {
  const updates = new Map<string, Update>();
  const problems: string[] = [];
  for (const [module, update] of lora.updates) {
    const tensor = nameIn(tensors, module);
    const problem = tensor ? misfit(tensor, update) : isMissing(module);
    if (problem !== undefined) problems.push(problem);
    else updates.set(tensor!.name, update);
  }
  if (problems.length === 0) return updates;
  throw doesNotFit(lora, path, problems);
}

/**
 * Some checkpoints omit the outermost module's name, like GPT-2's; others add one that the adapter's model lacks, like
 * BERT's. Published vision models' decoders use older names, as does Nemotron-H.
 */
const nameIn = (tensors: Checkpoint["tensors"], module: string): StoredTensor | undefined =>
  tensors.get(`${module}.weight`) ??
  tensors.get(`${withoutOuter(module)}.weight`) ??
  tensors.get(`${module.replace(/^model\./, "backbone.")}.weight`) ??
  OLDER_LANGUAGE.map((older) => tensors.get(`${module.replace(LANGUAGE, older)}.weight`)).find((found) => found) ??
  [...tensors.values()].find(({ name }) => withoutOuter(name) === `${module}.weight`);

/** Prefixes of a vision model's decoder modules: since transformers 4.52, and in earlier versions. */
const LANGUAGE = /^model\.language_model\.|^(?=lm_head$)/;
const OLDER_LANGUAGE = ["language_model.model.", "language_model.", "model."];

const withoutOuter = (name: string): string => name.replace(/^[^.]+\./, "");

const isPlain = ({ shape }: StoredTensor, { outputs, inputs }: Update) => shape.join() === `${outputs},${inputs}`;
/** True for GPT-2's Conv1D, stored as [inputs, outputs]. For a square matrix, the name decides. */
const isTurned = ({ name, shape }: StoredTensor, { outputs, inputs }: Update) =>
  shape.join() === `${inputs},${outputs}` && (inputs !== outputs || /\.c_(attn|proj|fc)\.weight$/.test(name));

function misfit(tensor: StoredTensor, update: Update): string | undefined {
  if (isPlain(tensor, update) || isTurned(tensor, update)) return undefined;
  return `"${tensor.name}" is [${tensor.shape.join(", ")}], the adapter's update [${update.outputs}, ${update.inputs}]`;
}

/** Adds scale · B · A, or its transpose, to rows of a tensor. */
function add(values: Float32Array, update: Update, tensor: StoredTensor, rows: Rows = [0, tensor.shape[0]!]): void {
  const { rank, scale, inputs, outputs } = update;
  const [a, b] = [update.a(), update.b()];
  const turned = isTurned(tensor, update);
  const width = turned ? outputs : inputs;
  const leftAt = (row: number, k: number) => (turned ? a[k * inputs + row]! : b[row * rank + k]!);
  const right = (k: number, column: number) => (turned ? b[column * rank + k]! : a[k * inputs + column]!);
  for (let row = rows[0], at = 0; row < rows[1]; row++, at += width)
    for (let k = 0; k < rank; k++) {
      const factor = scale * leftAt(row, k);
      for (let column = 0; column < width; column++) values[at + column]! += factor * right(k, column);
    }
}

/** Scales rows to DoRA's norms. */
function rescale(values: Float32Array, { inputs, magnitude }: Update, [from]: Rows = [0, 0]): void {
  const norms = magnitude!();
  for (let at = 0; at < values.length; at += inputs) {
    const row = values.subarray(at, at + inputs);
    const gain = norms[from + at / inputs]! / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0));
    for (let i = 0; i < inputs; i++) row[i]! *= gain;
  }
}

/** A Conv1D stores [inputs, outputs], so an output's norm is that of an entire column. */
function turnedRows(base: Checkpoint, update: Update, tensor: StoredTensor, rows?: Rows): Float32Array<ArrayBuffer> {
  const { inputs, outputs } = update;
  const values = base.floats(tensor);
  add(values, update, tensor);
  const norms = update.magnitude!();
  for (let o = 0; o < outputs; o++) {
    let squares = 0;
    for (let i = 0; i < inputs; i++) squares += values[i * outputs + o]! ** 2;
    const gain = norms[o]! / Math.sqrt(squares);
    for (let i = 0; i < inputs; i++) values[i * outputs + o]! *= gain;
  }
  return rows ? values.slice(rows[0] * outputs, rows[1] * outputs) : values;
}
