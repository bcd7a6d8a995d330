import path from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Constant, ConstantData, Graph } from "../../graph/graph.ts";
import { Emitter, type OnnxAttr, type OnnxLiteral, type OnnxNode } from "../../graph/onnx.ts";
import type { DType, TensorType } from "../../graph/tensor.ts";

// Field numbers from onnx.proto (onnx.ai, IR version 10).
const IR_VERSION = 10;
const OPSET = 24;
export const onnxType: Readonly<Record<DType, number>> = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9, f16: 10 };

/** The part of a graph that is encoded. */
export type Encodable = Pick<Graph, "inputs" | "outputs" | "constants" | "nodes">;

type Write = (w: BinaryWriter) => void;
const message = (w: BinaryWriter, field: number, write: Write): void => {
  w.tag(field, WireType.LengthDelimited).fork();
  write(w);
  w.join();
};
const text = (w: BinaryWriter, field: number, value: string) => w.tag(field, WireType.LengthDelimited).string(value);
const bytes = (w: BinaryWriter, field: number, value: Uint8Array) =>
  w.tag(field, WireType.LengthDelimited).bytes(value);
const integer = (w: BinaryWriter, field: number, value: number) => w.tag(field, WireType.Varint).int64(value);

function attribute(w: BinaryWriter, name: string, attr: OnnxAttr): void {
  text(w, 1, name);
  if ("int" in attr) integer(integer(w, 3, attr.int), 20, 2);
  else if ("float" in attr) integer(w.tag(2, WireType.Bit32).float(attr.float), 20, 1);
  else if ("string" in attr) integer(bytes(w, 4, new TextEncoder().encode(attr.string)), 20, 3);
  else {
    for (const value of attr.ints) integer(w, 8, value);
    integer(w, 20, 7);
  }
}

function node(w: BinaryWriter, n: OnnxNode): void {
  for (const name of n.inputs) text(w, 1, name);
  for (const name of n.outputs) text(w, 2, name);
  text(w, 4, n.opType);
  for (const [name, attr] of Object.entries(n.attrs)) message(w, 5, (m) => attribute(m, name, attr));
  if (n.domain !== "") text(w, 7, n.domain);
}

/** TensorProto header; the caller appends the bytes. */
function tensorHeader(w: BinaryWriter, name: string, dtype: DType, shape: readonly number[]): void {
  for (const d of shape) integer(w, 1, d);
  integer(w, 2, onnxType[dtype]);
  text(w, 8, name);
}

function external(w: BinaryWriter, data: Extract<ConstantData, { kind: "file" }>): void {
  const entries = { location: path.basename(data.path), offset: data.offset, length: data.bytes };
  for (const [key, value] of Object.entries(entries)) message(w, 13, (m) => text(text(m, 1, key), 2, String(value)));
  integer(w, 14, 1);
}

function constant(w: BinaryWriter, { name, tensor, data }: Constant): void {
  tensorHeader(w, name, tensor.dtype, tensor.shape.map(Number));
  if (data.kind === "memory") bytes(w, 9, data.bytes);
  else external(w, data);
}

function literal(w: BinaryWriter, l: OnnxLiteral): void {
  tensorHeader(w, l.name, l.dtype, l.shape);
  bytes(w, 9, l.bytes);
}

function valueInfo(w: BinaryWriter, name: string, type: TensorType): void {
  const dim =
    (d: TensorType["shape"][number]): Write =>
    (m) =>
      typeof d === "number" ? integer(m, 1, d) : text(m, 2, d.toString());
  text(w, 1, name);
  message(w, 2, (t) =>
    message(t, 1, (tensor) => {
      integer(tensor, 1, onnxType[type.dtype]);
      message(tensor, 2, (shape) => {
        for (const d of type.shape) message(shape, 1, dim(d));
      });
    }),
  );
}

/** Emits every operator's ONNX form; graph inputs, constants and outputs keep their names. */
function emit(graph: Encodable): Emitter {
  const emitter = new Emitter();
  const names = new Map<number, string>();
  for (const { name, tensor } of [...graph.inputs, ...graph.constants, ...graph.outputs]) names.set(tensor.id, name);
  const nameOf = (id: number) => names.get(id) ?? `v${id}`;
  for (const n of graph.nodes) {
    const io = {
      inputs: n.inputs.map((t) => nameOf(t.id)),
      outputs: n.outputs.map((t) => nameOf(t.id)),
      types: n.inputs,
    };
    n.op.onnx(emitter, io, n.attrs);
  }
  return emitter;
}

/** The graph as a serialised ONNX ModelProto. Constants in files are referenced by file name (external data). */
export function encodeOnnx(graph: Encodable): Uint8Array {
  const { nodes, literals } = emit(graph);
  const w = new BinaryWriter();
  integer(w, 1, IR_VERSION);
  text(w, 2, "modicum");
  message(w, 7, (g) => {
    for (const n of nodes) message(g, 1, (m) => node(m, n));
    text(g, 2, "modicum");
    for (const c of graph.constants) message(g, 5, (m) => constant(m, c));
    for (const l of literals.values()) message(g, 5, (m) => literal(m, l));
    for (const p of graph.inputs) message(g, 11, (m) => valueInfo(m, p.name, p.tensor));
    for (const p of graph.outputs) message(g, 12, (m) => valueInfo(m, p.name, p.tensor));
  });
  for (const [domain, version] of [
    ["", OPSET],
    ["com.microsoft", 1],
  ] as const)
    message(w, 8, (m) => integer(text(m, 1, domain), 2, version));
  return w.finish();
}
