import { decoderArchitecture } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import { type Checkpoint, openCheckpoint } from "../../../weights/checkpoint.ts";
import { Part } from "../../../weights/prepared/part.ts";
import type { WritableTensor } from "../../../weights/safetensors/write.ts";
import { writeModel } from "../../checkpoint/model.ts";

/** The number of neurons per gated MLP, before and after shrinking. */
export interface Shrunk {
  readonly before: number;
  readonly after: number;
}

/** The matrices of a gated MLP: `gate` and `up` [inner, hidden], `down` [hidden, inner]. */
interface Mlp {
  readonly gate: Matrix;
  readonly up: Matrix;
  readonly down: Matrix;
}

interface Matrix {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

/** The number of a row's weights that are quantised together; rows whose length it does not divide stay in float32. */
const BLOCK = 32;

/**
 * Writes a model without the MLP neurons that contribute nothing, because their gate row, up row or down column is all
 * zero. Every layer keeps as many neurons as the layer that needs the most, rounded up to whole quantisation blocks.
 * @throws UserError for a model without gated MLPs of one size
 */
export async function shrinkModel(folder: string, out: string): Promise<Shrunk> {
  const base = openCheckpoint(folder);
  const names = (await decoderArchitecture(base)).tensors(base);
  const config = base.config.kind === "huggingface" ? base.config.config : {};
  const [before, layers] = [config["intermediate_size"], config["num_hidden_layers"]];
  if (typeof before !== "number" || typeof layers !== "number")
    throw new UserError(`${folder}: expected a config.json with intermediate_size and num_hidden_layers`);
  const mlps = Array.from({ length: layers }, (_, layer) => mlpOf(base, names, layer));
  const living = mlps.map(livingOf);
  const after = Math.min(before, BLOCK * Math.max(1, ...living.map(({ length }) => Math.ceil(length / BLOCK))));
  const tensors = new Map(
    mlps.flatMap((mlp, layer) => [...tensorsOf(mlp, layer, chosen(living[layer]!, before, after))]),
  );
  await writeModel(out, { config: { ...config, intermediate_size: after }, names, base, tensors });
  return { before, after };
}

function mlpOf(base: Checkpoint, names: ConstructorParameters<typeof Part>[1], layer: number): Mlp {
  const matrix = (name: string): Matrix => {
    const part = new Part(base, names, `blk.${layer}.ffn_${name}.weight`);
    const bias = new Part(base, names, `blk.${layer}.ffn_${name}.bias`);
    if (!part.exists || bias.exists || part.shape.length !== 2)
      throw new UserError(`${base.path}: layer ${layer} has no gated MLP without biases; only such MLPs can shrink`);
    return { values: part.floats(), rows: part.shape[0]!, columns: part.shape[1]! };
  };
  return { gate: matrix("gate"), up: matrix("up"), down: matrix("down") };
}

function livingOf({ gate, up, down }: Mlp): number[] {
  const hasRow = ({ values, columns }: Matrix, row: number) =>
    values.subarray(row * columns, (row + 1) * columns).some((value) => value !== 0);
  const hasColumn = ({ values, rows, columns }: Matrix, column: number) => {
    for (let row = 0; row < rows; row++) if (values[row * columns + column] !== 0) return true;
    return false;
  };
  const all = Array.from({ length: gate.rows }, (_, neuron) => neuron);
  return all.filter((neuron) => hasRow(gate, neuron) && hasRow(up, neuron) && hasColumn(down, neuron));
}

/** The indices of the active neurons, filled up to `count` with inactive ones, in ascending order. */
function chosen(living: readonly number[], of: number, count: number): number[] {
  const alive = new Set(living);
  const dead = Array.from({ length: of }, (_, neuron) => neuron).filter((neuron) => !alive.has(neuron));
  return [...living, ...dead.slice(0, count - living.length)].sort((a, b) => a - b);
}

function* tensorsOf(
  { gate, up, down }: Mlp,
  layer: number,
  neurons: readonly number[],
): Generator<[string, WritableTensor]> {
  const name = (matrix: string) => `blk.${layer}.ffn_${matrix}.weight`;
  yield [name("gate"), rowsOf(gate, neurons)];
  yield [name("up"), rowsOf(up, neurons)];
  yield [name("down"), columnsOf(down, neurons)];
}

function rowsOf({ values, columns }: Matrix, indices: readonly number[]): WritableTensor {
  const out = new Float32Array(indices.length * columns);
  for (const [i, row] of indices.entries()) out.set(values.subarray(row * columns, (row + 1) * columns), i * columns);
  return { shape: [indices.length, columns], values: () => out };
}

function columnsOf({ values, rows, columns }: Matrix, indices: readonly number[]): WritableTensor {
  const out = new Float32Array(rows * indices.length);
  for (let row = 0; row < rows; row++)
    for (const [i, column] of indices.entries()) out[row * indices.length + i] = values[row * columns + column]!;
  return { shape: [rows, indices.length], values: () => out };
}
