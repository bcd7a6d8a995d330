import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint, Rows } from "../checkpoint.ts";
import { quote } from "../gguf/cursor.ts";
import { withFile } from "../read-file.ts";
import { readConfig } from "../safetensors/checkpoint.ts";
import { bytesOf, decoderOf } from "../safetensors/dtypes.ts";
import { type Initializer, readGraph } from "./graph.ts";
import { type OnnxArray, type OnnxTensor, tensorsOf } from "./tensors.ts";

/**
 * The ONNX file of a model: the path itself, or the only ONNX file in a folder without safetensors; undefined if
 * neither exists.
 */
export function onnxFile(model: string): string | undefined {
  if (/\.onnx$/i.test(model)) return model;
  if (!statSync(model, { throwIfNoEntry: false })?.isDirectory()) return undefined;
  const names = readdirSync(model);
  const graphs = names.filter((name) => name.endsWith(".onnx"));
  const hasOthers = names.some((name) => /\.safetensors(\.index\.json)?$/.test(name));
  return graphs.length === 1 && !hasOthers ? path.join(model, graphs[0]!) : undefined;
}

/**
 * Opens an exported model as a checkpoint: the weights of `file`'s graph under the exported module's names, and the
 * `config.json` beside it. The graph's nodes do not run.
 * @throws UserError if a file is missing or malformed
 */
export function onnxCheckpoint(model: string, file: string): Checkpoint {
  const graph = readGraph(file);
  const { architecture, ...source } = readConfig(path.dirname(file));
  const tensors = tensorsOf(graph);
  const beside = new Set(graph.initializers.flatMap(({ data }) => ("bytes" in data ? (data.beside ?? []) : [])));
  return {
    path: model,
    files: [source.path, file, ...[...beside].map((name) => path.join(path.dirname(file), name))],
    config: { kind: "huggingface", ...source },
    architecture,
    tensors,
    floats: ({ name, shape }, rows) => readFloats(file, { ...tensors.get(name)!, shape }, rows),
    form: () => undefined,
    blocks: ({ name }) => {
      throw new Error(`${model}: tensor ${name} has no block form`);
    },
  };
}

/** Reads weights as float32, row-major, dequantised if they are bytes. @throws UserError if they cannot be read */
function readFloats(file: string, { shape, pieces }: OnnxTensor, rows?: Rows): Float32Array<ArrayBuffer> {
  const [only, ...others] = pieces;
  if (others.length === 0 && !only!.transposed) return floatsOf(file, only!, rows && elements(shape, rows));
  const whole = joined(pieces.map((piece) => (piece.transposed ? turned(file, piece) : floatsOf(file, piece))));
  return rows ? whole.slice(...elements(shape, rows)) : whole;
}

type Range = readonly [from: number, to: number];

function elements(shape: readonly number[], [from, to]: Rows): [from: number, to: number] {
  const row = shape.slice(1).reduce((total, size) => total * size, 1);
  return [from * row, to * row];
}

function joined(parts: readonly Float32Array<ArrayBuffer>[]): Float32Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0]!;
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}

/** Transposes a matrix [inputs, outputs] to [outputs, inputs]. */
function turned(file: string, stored: OnnxArray): Float32Array<ArrayBuffer> {
  const values = floatsOf(file, stored);
  const [inputs, outputs] = stored.data.shape as [number, number];
  const out = new Float32Array(values.length);
  for (let i = 0; i < inputs; i++) for (let o = 0; o < outputs; o++) out[o * inputs + i] = values[i * outputs + o]!;
  return out;
}

/** Reads elements of an initializer, dequantised like DequantizeLinear: (q − zero) · scale. */
function floatsOf(file: string, { data, scale, zero, axis }: OnnxArray, range?: Range): Float32Array<ArrayBuffer> {
  const values = valuesOf(file, data, range);
  if (!scale) return values;
  const [scales, zeros] = [valuesOf(file, scale), zero && valuesOf(file, zero)];
  const along = axis < 0 ? axis + data.shape.length : axis;
  const inner = data.shape.slice(along + 1).reduce((total, size) => total * size, 1);
  if (scales.length !== 1 && scales.length !== data.shape[along])
    throw new UserError(
      `${file}: tensor ${quote(data.name)} has ${scales.length} scales, expected one scale, or one per index of its axis ${along}`,
    );
  const first = range?.[0] ?? 0;
  for (let i = 0; i < values.length; i++) {
    const at = scales.length === 1 ? 0 : Math.floor((first + i) / inner) % scales.length;
    values[i] = (values[i]! - (zeros?.[at] ?? 0)) * scales[at]!;
  }
  return values;
}

function valuesOf(file: string, { name, type, shape, data }: Initializer, range?: Range): Float32Array<ArrayBuffer> {
  const subject = `tensor ${quote(name)}`;
  const count = shape.reduce((total, size) => total * size, 1);
  const [from, to] = range ?? [0, count];
  const decode = type && decoderOf(type);
  if (!decode) throw new UserError(`${file}: ${subject} is of an unsupported type`);
  const size = bytesOf(type);
  const stored = "bytes" in data ? data.bytes / size : data.length;
  if (stored !== count)
    throw new UserError(`${file}: ${subject} of shape [${shape.join(", ")}] has ${stored} elements, expected ${count}`);
  if (!("bytes" in data)) return Float32Array.from(data.slice(from, to));
  const holder = data.beside === undefined ? file : path.join(path.dirname(file), data.beside);
  return decode(withFile(holder, ({ read }) => read(data.offset + from * size, (to - from) * size, subject).buffer));
}
