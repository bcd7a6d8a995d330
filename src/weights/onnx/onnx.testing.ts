import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** A tensor for a hand-written model; without `raw`, its elements are `int32_data`. */
export interface TestTensor {
  readonly name: string;
  /** ONNX's code for the tensor's type. */
  readonly type: number;
  readonly shape: readonly number[];
  readonly raw?: Float32Array | Int8Array | Uint8Array;
  readonly elements?: readonly number[];
  /** The location of the data in a file beside the model. */
  readonly elsewhere?: Readonly<Record<string, string | number>>;
}

export interface TestNode {
  readonly op: string;
  readonly name?: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attribute?: readonly [name: string, value: number];
}

type Write = (w: BinaryWriter) => void;
const message = (w: BinaryWriter, field: number, write: Write): void => {
  w.tag(field, WireType.LengthDelimited).fork();
  write(w);
  w.join();
};
const text = (w: BinaryWriter, field: number, value: string) => w.tag(field, WireType.LengthDelimited).string(value);
const integer = (w: BinaryWriter, field: number, value: number) => w.tag(field, WireType.Varint).int64(value);

function tensor(w: BinaryWriter, { name, type, shape, raw, elements, elsewhere }: TestTensor): void {
  for (const size of shape) integer(w, 1, size);
  integer(w, 2, type);
  if (elements)
    message(w, 5, (m) => {
      for (const element of elements) m.int32(element);
    });
  text(w, 8, name);
  const { buffer, byteOffset, byteLength } = raw ?? new Uint8Array();
  if (raw) w.tag(9, WireType.LengthDelimited).bytes(new Uint8Array(buffer, byteOffset, byteLength));
  for (const [key, value] of Object.entries(elsewhere ?? {}))
    message(w, 13, (m) => text(text(m, 1, key), 2, String(value)));
}

function node(w: BinaryWriter, { op, name = "", inputs, output, attribute }: TestNode): void {
  for (const input of inputs) text(w, 1, input);
  text(w, 2, output);
  text(w, 3, name);
  text(w, 4, op);
  if (attribute) message(w, 5, (m) => integer(text(m, 1, attribute[0]), 3, attribute[1]));
}

/** An ONNX model's bytes. */
export function onnxModel(nodes: readonly TestNode[], tensors: readonly TestTensor[], graphs = 1): Uint8Array {
  const w = new BinaryWriter();
  integer(w, 1, 8);
  for (let graph = 0; graph < graphs; graph++)
    message(w, 7, (g) => {
      for (const each of nodes) message(g, 1, (m) => node(m, each));
      for (const each of tensors) message(g, 5, (m) => tensor(m, each));
    });
  return w.finish();
}
