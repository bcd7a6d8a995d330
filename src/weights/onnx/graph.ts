import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { UserError } from "../../util/errors.ts";
import { withFile } from "../read-file.ts";
import type { Dtype } from "../safetensors/dtypes.ts";

/** A range of bytes in the model's file, or in a named file beside it. */
interface Place {
  readonly beside?: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A tensor stored in a graph. */
export interface Initializer {
  readonly name: string;
  /** Undefined for a type that weights cannot have. */
  readonly type: Dtype | undefined;
  readonly shape: readonly number[];
  /**
   * The place of the tensor's little-endian elements, in the model's file or a file beside it; if there are few, the
   * elements themselves.
   */
  readonly data: Place | readonly number[];
}

export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The attributes that are single integers. */
  readonly integers: ReadonlyMap<string, number>;
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly Initializer[];
}

// Data types and field numbers from onnx.proto (onnx.ai).
const types: Readonly<Record<number, Dtype>> = {
  ...{ 1: "F32", 2: "U8", 3: "I8", 6: "I32", 7: "I64", 9: "BOOL", 10: "F16", 11: "F64", 16: "BF16" },
};

/** Reads an ONNX file's graph; weights stay in the file. @throws UserError if it is missing or malformed */
export function readGraph(path: string): OnnxGraph {
  // The bytes get a separate buffer, so that an offset in the buffer is an offset in the file.
  const bytes = withFile(path, ({ size, read }) => read(0, size, "the model"));
  const graphs: OnnxGraph[] = [];
  try {
    readMessage(bytes, { 2: (r) => refuseOwn(path, r.string()), 7: (r) => graphs.push(graphOf(path, r.bytes())) });
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${path}: this is not a complete ONNX model (${error instanceof Error ? error.message : error})`,
    );
  }
  if (graphs.length === 1) return graphs[0]!;
  throw new UserError(`${path}: expected an ONNX model with one graph, got ${graphs.length}`);
}

/** Refuses Modicum's own exports, which hold weights in the kernels' layout under other names. @throws UserError */
function refuseOwn(path: string, producer: string): void {
  if (producer === "modicum")
    throw new UserError(`${path}: Modicum exported this file for other programs; use the model that it was made from`);
}

/** Readers for some fields of a message, by number; other fields are skipped. */
type Fields = Readonly<Record<number, (reader: BinaryReader, wire: WireType) => void>>;

function readMessage(bytes: Uint8Array, fields: Fields): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    const read = fields[field];
    if (read) read(reader, wire);
    else reader.skip(wire, field);
  }
}

function graphOf(path: string, bytes: Uint8Array): OnnxGraph {
  const nodes: OnnxNode[] = [];
  const initializers: Initializer[] = [];
  readMessage(bytes, {
    1: (r) => nodes.push(nodeOf(r.bytes())),
    5: (r) => initializers.push(initializerOf(path, r.bytes())),
  });
  return { nodes, initializers };
}

function nodeOf(bytes: Uint8Array): OnnxNode {
  const node = { name: "", op: "", inputs: [] as string[], outputs: [] as string[], integers: new Map() };
  readMessage(bytes, {
    1: (r) => node.inputs.push(r.string()),
    2: (r) => node.outputs.push(r.string()),
    3: (r) => {
      node.name = r.string();
    },
    4: (r) => {
      node.op = r.string();
    },
    5: (r) => {
      const [name, value] = attributeOf(r.bytes());
      if (value !== undefined) node.integers.set(name, value);
    },
  });
  return node;
}

function attributeOf(bytes: Uint8Array): [name: string, integer: number | undefined] {
  let name = "";
  let integer: number | undefined;
  readMessage(bytes, {
    1: (r) => {
      name = r.string();
    },
    3: (r) => {
      integer = Number(r.int64());
    },
  });
  return [name, integer];
}

function initializerOf(path: string, bytes: Uint8Array): Initializer {
  let name = "";
  let type: Dtype | undefined;
  let data: Initializer["data"] = [];
  const elsewhere = new Map<string, string>();
  const shape: number[] = [];
  const placed = (r: BinaryReader) => {
    const { byteOffset: offset, length } = r.bytes();
    data = { offset, bytes: length };
  };
  readMessage(bytes, {
    1: (r, wire) => shape.push(...integers(r, wire)),
    2: (r) => {
      type = types[r.int32()];
    },
    4: placed, // Packed floats need no decoding.
    5: (r, wire) => {
      data = integers(r, wire);
    },
    8: (r) => {
      name = r.string();
    },
    9: placed,
    13: (r) => elsewhere.set(...entryOf(r.bytes())),
  });
  return { name, type, shape, data: elsewhere.size > 0 ? placeOf(path, elsewhere) : data };
}

function entryOf(bytes: Uint8Array): [key: string, value: string] {
  const entry: [string, string] = ["", ""];
  readMessage(bytes, {
    1: (r) => {
      entry[0] = r.string();
    },
    2: (r) => {
      entry[1] = r.string();
    },
  });
  return entry;
}

/** A range in a file in the model's own folder. @throws UserError for a path that leads elsewhere */
function placeOf(path: string, entries: ReadonlyMap<string, string>): Place {
  const beside = entries.get("location") ?? "";
  if (!/^[^/\\]+$/.test(beside) || beside === "..")
    throw new UserError(`${path}: ${JSON.stringify(beside)} is not the name of a weights file in the same folder`);
  return { beside, offset: Number(entries.get("offset") ?? 0), bytes: Number(entries.get("length")) };
}

function integers(reader: BinaryReader, wire: WireType): number[] {
  if (wire !== WireType.LengthDelimited) return [Number(reader.int64())];
  const packed = new BinaryReader(reader.bytes());
  const values: number[] = [];
  while (packed.pos < packed.len) values.push(Number(packed.int64()));
  return values;
}
