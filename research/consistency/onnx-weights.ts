import { readFileSync } from "node:fs";

/** A float tensor of an ONNX file. */
export interface OnnxTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

type Field = readonly [number: number, value: number | Uint8Array];

/** The fields of a protobuf message: integers as numbers, all others as bytes. */
function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    for (let value = 0, unit = 1; ; unit *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const [number, kind] = [key >> 3, key & 7];
    if (kind === 0) yield [number, varint()];
    else {
      const size = kind === 2 ? varint() : kind === 1 ? 8 : 4;
      at += size;
      yield [number, bytes.subarray(at - size, at)];
    }
  }
}

const all = (fields: readonly Field[], wanted: number) =>
  fields.filter(([number]) => number === wanted).map(([, value]) => value);
const texts = (fields: readonly Field[], wanted: number) =>
  all(fields, wanted).map((value) => Buffer.from(value as Uint8Array).toString());

/** ONNX's field numbers of the graph, its nodes and initialisers, and their fields read here. */
const [GRAPH, NODES, INITIALISERS, DIMENSIONS, NAME, RAW] = [7, 1, 5, 1, 8, 9];
const [INPUTS, OPERATOR] = [1, 4];

function tensorOf(fields: readonly Field[]): OnnxTensor {
  const shape = all(fields, DIMENSIONS).flatMap((value) =>
    typeof value === "number" ? [value] : [...value].map(Number),
  );
  const raw = (all(fields, RAW)[0] as Uint8Array | undefined) ?? new Uint8Array();
  return { shape, values: new Float32Array(raw.slice().buffer, 0, Math.floor(raw.length / 4)) };
}

/**
 * The weights of an exported network, by name; norms, whose names were lost, get `norm.N.weight` and `norm.N.bias` in
 * the order of computation.
 */
export function onnxWeights(file: string): Map<string, OnnxTensor> {
  const model = [...fieldsOf(new Uint8Array(readFileSync(file)))];
  const graph = [...fieldsOf(all(model, GRAPH)[0] as Uint8Array)];
  const messages = (number: number) => all(graph, number).map((bytes) => [...fieldsOf(bytes as Uint8Array)]);
  const found = new Map(messages(INITIALISERS).map((fields) => [texts(fields, NAME)[0]!, tensorOf(fields)]));
  let [norms, expected] = [0, [] as string[]];
  for (const node of messages(NODES)) {
    const operator = texts(node, OPERATOR)[0]!;
    if (operator === "InstanceNormalization") expected = ["Mul weight", "Add bias"];
    const [wanted, part] = expected[0]?.split(" ") ?? [];
    if (operator !== wanted) continue;
    const { values } = found.get(texts(node, INPUTS)[1]!)!;
    found.set(`norm.${norms}.${part}`, { shape: [values.length], values });
    expected = expected.slice(1);
    if (part === "bias") norms++;
  }
  return found;
}
