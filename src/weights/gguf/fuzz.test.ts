import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { getHeapStatistics } from "node:v8";
import { afterAll, describe, expect, test } from "vitest";
import { storedBlocks } from "../../graph/index.ts";
import { callsOf } from "../../util/calls.testing.ts";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { openGguf, readFloats, readTensor } from "./file.ts";
import { memorySource, type TensorSpec, u32, u64, writeGguf } from "./gguf.testing.ts";
import { type GgufFile, parseGguf } from "./header.ts";
import { type KernelForm, kernelForm, toKernelMatrix } from "./kernel.ts";
import { joinParts } from "./split.ts";
import { GgufStrings } from "./strings.ts";
import type { GgufTensor } from "./tensors.ts";
import { byteLength, GGML_TYPES, type GgmlType } from "./types.ts";

const IN_MEMORY = 16_000;
const SPLIT = 3500;
const ON_DISK = 500;
/** The maximum number of function calls, summed over all mutations. */
const MOST_CALLS = 20e6;
const MOST_BYTES = 4 * 2 ** 20;

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function tensor(name: string, type: GgmlType, shape: number[]): TensorSpec {
  return { name, type, shape, data: new Uint8Array(byteLength(type, product(shape))).fill(7) };
}

/** Small files with every kind of field, so that mutations often hit one. */
const originals = [
  writeGguf({}),
  writeGguf({ tensors: (Object.keys(GGML_TYPES) as GgmlType[]).map((type) => tensor(type, type, [2, 256])) }),
  writeGguf({
    alignment: 64,
    metadata: { s: ["string", "llama"] },
    tensors: [tensor("a", "F32", [2, 3]), tensor("b", "F16", [5])],
  }),
  writeGguf({
    version: 2,
    metadata: {
      tokens: ["array", "string", ["a", "é", "", "🦙"]],
      scores: ["array", "float32", [0.5, -1]],
      flags: ["array", "bool", [true, false]],
      deep: ["array", "array", [["array", "array", [["array", "int64", [1, 2]]]]]],
      wide: ["uint64", 2n ** 60n],
      signed: ["int8", -1],
      eps: ["float64", 1e-5],
      yes: ["bool", true],
    },
    tensors: [tensor("q4", "Q4_1", [2, 32]), tensor("q8", "Q8_0", [1, 1, 64]), tensor("k", "Q6_K", [256])],
  }),
];

const extremes = [
  ...[0, 1, 2, 3, 8, 31, 32, 33, 255, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1].flatMap((n) => [u32(n), u64(n)]),
  ...[32n, 53n, 60n, 61n, 62n, 63n].flatMap((bits) => [u64(2n ** bits), u64(2n ** bits - 1n), u64(-(2n ** bits))]),
];

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

type Random = () => number;
type Mutation = (bytes: Buffer, random: Random) => Buffer;
const below = (random: Random, n: number): number => Math.floor(random() * n);

const mutations: Record<string, Mutation> = {
  flipBits(bytes, random) {
    for (let i = 1 + below(random, 4); i > 0; i--) bytes[below(random, bytes.length)]! ^= 1 << below(random, 8);
    return bytes;
  },
  setBytes(bytes, random) {
    for (let i = 1 + below(random, 4); i > 0; i--) bytes[below(random, bytes.length)] = below(random, 256);
    return bytes;
  },
  truncate: (bytes, random) => bytes.subarray(0, below(random, bytes.length)),
  /** Removes a piece, or inserts a copy of one. */
  splice(bytes, random) {
    const [from, to, at] = [0, 0, 0].map(() => below(random, bytes.length + 1)) as [number, number, number];
    const piece = bytes.subarray(Math.min(from, to), Math.max(from, to));
    const tail = random() < 0.5 ? bytes.subarray(at) : bytes.subarray(Math.min(bytes.length, at + piece.length));
    return Buffer.concat([bytes.subarray(0, at), random() < 0.5 ? piece : Buffer.alloc(0), tail]);
  },
  extreme(bytes, random) {
    const value = extremes[below(random, extremes.length)]!;
    value.copy(bytes, below(random, bytes.length));
    return bytes;
  },
};

/** Applies one to three mutations to one of `files`. */
function mutate(files: readonly Buffer[], random: Random): Buffer {
  let bytes: Buffer = Buffer.from(files[below(random, files.length)]!);
  const names = Object.keys(mutations);
  for (let i = 1 + below(random, 3); i > 0 && bytes.length > 0; i--) {
    bytes = mutations[names[below(random, names.length)]!]!(bytes, random);
  }
  return bytes;
}

/** Reads everything in the header, as a model loader would. */
function use(file: GgufFile): void {
  for (const value of file.metadata.values()) if (value instanceof GgufStrings) value.toArray();
  for (const { name, offset, bytes, shape } of file.tensors.values()) {
    const inside = offset % file.alignment === 0 && offset >= file.dataOffset && offset + bytes <= file.size;
    if (!inside || !shape.every(Number.isSafeInteger)) expect.fail(`${name}: [${shape}], ${bytes} bytes at ${offset}`);
  }
}

/** The number of codes of a matrix in a kernel's form, including correction codes for 4-bit types with a minimum. */
const codesOf = ({ bits, block, minimum }: KernelForm, rows: number, cols: number): number =>
  rows * block * (bits === 4 && minimum ? storedBlocks(cols / block) : cols / block);

/** Reads a tensor's bytes and floats, and its kernel form if it has one. */
function checkSizes(tensor: GgufTensor): void {
  const { type, shape } = tensor;
  const bytes = readTensor(tensor);
  const [rows, cols] = [product(shape.slice(0, -1)), shape.at(-1) ?? 1];
  const kernel = kernelForm(type);
  // The codes of rounded weights are computed from the floats.
  const form = kernel?.rounded === undefined ? kernel : undefined;
  const codes = form && (toKernelMatrix(type, bytes, [rows, cols], form.bits).codes.length * 8) / form.bits;
  const sizes = [bytes.length, codes, readFloats(tensor).length];
  if (sizes.join() !== [tensor.bytes, form && codesOf(form, rows, cols), rows * cols].join())
    expect.fail(`${type} [${shape}]: ${sizes}`);
}

/** Returns whether `read` succeeded; otherwise, it must throw one sentence that begins with a file's name. */
function attempt(paths: readonly string[], read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(paths.some((path) => error.message.startsWith(`${path}: `))).toBe(true);
    expect(error.message).not.toContain("\n");
    expect(error.message.length).toBeLessThan(3 * paths[0]!.length + 300);
    return false;
  }
}

function held(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

describe("mutated files", () => {
  const folder = mkdtempSync(join(tmpdir(), "gguf-fuzz-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("the originals are sound", () => {
    for (const bytes of originals) use(parseGguf(memorySource(bytes)));
  });

  test(`${IN_MEMORY} in memory: read, or refused in one sentence, with little work and space`, async () => {
    const random = seededRandom(20_240_607);
    let read = 0;
    const calls = await callsOf(() => {
      for (let i = 0; i < IN_MEMORY; i++) {
        const source = memorySource(mutate(originals, random));
        const before = held();
        if (attempt([source.path], () => use(parseGguf(source)))) read++;
        const grown = held() - before;
        if (grown > MOST_BYTES) expect.fail(`mutation ${i} allocated ${grown} bytes`);
      }
    });
    expect(calls).toBeLessThan(MOST_CALLS);
    // Both outcomes must be frequent, or the mutations test nothing.
    expect(read).toBeGreaterThan(IN_MEMORY / 20);
    expect(read).toBeLessThan(IN_MEMORY * 0.8);
  });

  test(`${ON_DISK} on disk, tensors read as floats and in the kernel's form`, () => {
    const random = seededRandom(7);
    const path = join(folder, "mutated.gguf");
    let read = 0;
    for (let i = 0; i < ON_DISK; i++) {
      writeFileSync(path, mutate(originals, random));
      attempt([path], () => {
        for (const tensor of openGguf(path).tensors.values()) {
          attempt([path], () => checkSizes(tensor));
          if (kernelForm(tensor.type)) read++;
        }
      });
    }
    expect(read).toBeGreaterThan(ON_DISK);
  });

  test(`${SPLIT} of a file in three parts, one of them mutated`, () => {
    const random = seededRandom(11);
    const paths = [1, 2, 3].map((part) => fixture(`split-0000${part}-of-00003.gguf`));
    const parts: Buffer[] = paths.map((path) => readFileSync(path));
    let read = 0;
    for (let i = 0; i < SPLIT; i++) {
      const mutated = parts.with(i % 3, mutate([parts[i % 3]!], random));
      const open = (path: string) => parseGguf({ ...memorySource(mutated[paths.indexOf(path)]!), path });
      if (attempt(paths, () => joinParts(open(paths[0]!), open))) read++;
    }
    expect(read).toBeGreaterThan(SPLIT / 20);
    expect(read).toBeLessThan(SPLIT * 0.8);
  });
});
