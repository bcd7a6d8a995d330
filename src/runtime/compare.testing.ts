import { type Bindings, evalShape, type Shape } from "../graph/dim.ts";
import { Graph } from "../graph/graph.ts";
import { interpret } from "../graph/interpret.testing.ts";
import { count, type NdArray, ndarray } from "../graph/ndarray.ts";
import type { DType, Tensor } from "../graph/tensor.ts";
import { seededRandom } from "../util/random.ts";
import { Buffer } from "./buffer.ts";
import { Program } from "./program.ts";

/** A tensor with its values; `symbolic` is the graph's shape, if it differs from `shape`. */
export interface Feed {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
  readonly symbolic?: Shape;
}

/** A graph to run in two ways, with its inputs; `trace` returns its outputs. */
export interface Trial {
  readonly inputs: Readonly<Record<string, Feed>>;
  readonly constants?: Readonly<Record<string, Feed>>;
  readonly bindings?: Bindings;
  /** Outputs bound to an input's buffer. */
  readonly inPlace?: Readonly<Record<string, string>>;
  trace(tensors: Readonly<Record<string, Tensor>>): Readonly<Record<string, Tensor>>;
}

export interface Outcome {
  readonly got: NdArray;
  readonly expected: NdArray;
}

const arrays = {
  f32: Float32Array,
  i64: BigInt64Array,
  i32: Int32Array,
  u8: Uint8Array,
  i8: Int8Array,
  bool: Uint8Array,
  f16: Uint16Array,
} as const;

function write(feed: Feed, memory: ArrayBuffer): void {
  if (feed.dtype === "i64") new BigInt64Array(memory).set(Array.from(feed.data, BigInt));
  else new arrays[feed.dtype](memory).set(feed.data);
}

function bytesOf(feed: Feed): Uint8Array {
  const memory = new ArrayBuffer(count(feed.shape) * arrays[feed.dtype].BYTES_PER_ELEMENT);
  write(feed, memory);
  return new Uint8Array(memory);
}

const read = (buffer: Buffer): Float64Array => Float64Array.from(new arrays[buffer.dtype](buffer.memory), Number);

/** The trial's graph, with the trial's names of inputs, constants and outputs. */
export function graphOf({ inputs, constants = {}, trace }: Trial): Graph {
  const g = new Graph();
  const tensors: Record<string, Tensor> = {};
  for (const [name, feed] of Object.entries(inputs))
    tensors[name] = g.input(name, feed.dtype, feed.symbolic ?? feed.shape);
  for (const [name, feed] of Object.entries(constants))
    tensors[name] = g.constant(name, feed, { kind: "memory", bytes: bytesOf(feed) });
  for (const [name, tensor] of Object.entries(trace(tensors))) g.output(name, tensor);
  return g;
}

/** Every output from ONNX Runtime and from the operators' float64 references. */
export async function compare(trial: Trial): Promise<Record<string, Outcome>> {
  const graph = graphOf(trial);
  const bindings = trial.bindings ?? {};
  const feeds = { ...trial.inputs, ...trial.constants };
  const expected = interpret(
    graph,
    Object.fromEntries(Object.entries(feeds).map(([name, f]) => [name, ndarray(f.shape, f.data)])),
    bindings,
  );
  const buffers = new Map<string, Buffer>();
  for (const [name, feed] of Object.entries(trial.inputs)) {
    const buffer = new Buffer(feed.dtype, count(feed.shape));
    write(feed, buffer.memory);
    buffers.set(name, buffer);
  }
  for (const { name, tensor } of graph.outputs) {
    const shared = buffers.get(trial.inPlace?.[name] ?? "");
    buffers.set(name, shared ?? new Buffer(tensor.dtype, count(evalShape(tensor.shape, bindings))));
  }
  const shapes = new Map<string, readonly number[]>(Object.entries(trial.inputs).map(([name, f]) => [name, f.shape]));
  for (const { name, tensor } of graph.outputs) shapes.set(name, evalShape(tensor.shape, bindings));
  using program = await Program.compile(graph);
  await program.bind(Object.fromEntries([...buffers].map(([name, b]) => [name, b.view(shapes.get(name)!)]))).run();
  const outcomes = graph.outputs.map(({ name }) => {
    const got = { shape: shapes.get(name)!, data: read(buffers.get(name)!) };
    return [name, { got, expected: expected[name]! }] as const;
  });
  for (const buffer of new Set(buffers.values())) buffer[Symbol.dispose]();
  return Object.fromEntries(outcomes);
}

/** The greatest difference, divided by the greatest value; Infinity if shapes differ or a value is NaN. */
export function error({ got, expected }: Outcome): number {
  if (got.shape.join() !== expected.shape.join() || got.data.length !== expected.data.length)
    return Number.POSITIVE_INFINITY;
  let difference = 0;
  let greatest = Number.MIN_VALUE;
  for (const [i, e] of expected.data.entries()) {
    const d = Math.abs(got.data[i]! - e);
    difference = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(difference, d);
    greatest = Math.max(greatest, Math.abs(e));
  }
  return difference / greatest;
}

/** The norm of the difference, divided by the norm of the expected values. */
export function normError({ got, expected }: Outcome): number {
  const norm = (f: (i: number) => number) => Math.sqrt(expected.data.reduce((sum, _, i) => sum + f(i) ** 2, 0));
  return norm((i) => got.data[i]! - expected.data[i]!) / norm((i) => expected.data[i]!);
}

/** The trial's greatest error over its outputs. */
export async function worst(trial: Trial): Promise<number> {
  return Math.max(...Object.values(await compare(trial)).map(error));
}

/** Roughly normal values from a seed. */
export function noise(seed: number, shape: readonly number[], symbolic?: Shape): Feed {
  const random = seededRandom(seed);
  const data = Float32Array.from({ length: count(shape) }, () => random() + random() + random() + random() - 2);
  return { dtype: "f32", shape, data, ...(symbolic && { symbolic }) };
}

/** Random integers from a seed, from 0 to `below` − 1. */
export function integers(seed: number, dtype: DType, shape: readonly number[], below: number): Feed {
  const random = seededRandom(seed);
  return { dtype, shape, data: Float64Array.from({ length: count(shape) }, () => Math.floor(random() * below)) };
}
