import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint, Rows, StoredTensor } from "../checkpoint.ts";
import { type Lora, openLora, type Update } from "./lora.ts";

/**
 * A checkpoint with the LoRA adapter of a folder merged into it: every tensor that the adapter updates reads as the sum. Both sets of files
 * decide what it holds, so that its prepared weights are its own.
 * @throws UserError when the adapter is malformed, or is for another model
 */
export function withAdapter(base: Checkpoint, folder: string): Checkpoint {
  if (base.config.kind === "gguf")
    throw new UserError(
      `${base.path}: this is a GGUF, adapters go with the safetensors of the model that they were trained on`,
    );
  const lora = openLora(folder);
  const updates = fitting(base, folder, lora);
  return {
    ...base,
    files: [...base.files, ...lora.files],
    variant: `adapter-${createHash("sha256").update(realpathSync(folder)).digest("hex").slice(0, 16)}`,
    floats: (tensor, rows) => {
      const values = base.floats(tensor, rows);
      const update = updates.get(tensor.name);
      if (update) add(values, update, tensor, rows);
      return values;
    },
  };
}

/** Updates by the names that the checkpoint has for what they update. */
function fitting({ path, tensors }: Checkpoint, folder: string, { updates }: Lora): Map<string, Update> {
  const found = new Map<string, Update>();
  const problems: string[] = [];
  for (const [module, update] of updates) {
    const tensor = nameIn(tensors, module);
    const problem = tensor ? misfit(tensor, update) : `${module} is not in the model`;
    if (problem !== undefined) problems.push(problem);
    else found.set(tensor!.name, update);
  }
  if (problems.length === 0) return found;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more of its ${updates.size} modules)` : "";
  throw new UserError(`${folder}: the adapter does not fit ${path}: ${problems[0]}${more}`);
}

/** Some checkpoints leave the outermost module's name away, as GPT-2's does. */
const nameIn = (tensors: Checkpoint["tensors"], module: string): StoredTensor | undefined =>
  tensors.get(`${module}.weight`) ?? tensors.get(`${module.replace(/^[^.]+\./, "")}.weight`);

const isPlain = ({ shape }: StoredTensor, { outputs, inputs }: Update) => shape.join() === `${outputs},${inputs}`;
/** GPT-2's Conv1D keeps [inputs, outputs]. A square one is told by its name. */
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
  const left = (row: number, k: number) => (turned ? a[k * inputs + row]! : b[row * rank + k]!);
  const right = (k: number, column: number) => (turned ? b[column * rank + k]! : a[k * inputs + column]!);
  for (let row = rows[0], at = 0; row < rows[1]; row++, at += width)
    for (let k = 0; k < rank; k++) {
      const factor = scale * left(row, k);
      for (let column = 0; column < width; column++) values[at + column]! += factor * right(k, column);
    }
}
