import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { callsOf } from "../../util/calls.testing.ts";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { bytesOf, dtypes } from "./dtypes.ts";
import { parseHeader } from "./header.ts";
import { memoryFile, withHeader, writeSafetensors } from "./safetensors.testing.ts";

const MUTATIONS = 20_000;
/** The maximum number of function calls for all mutations together. */
const MOST_CALLS = 15e6;
const MOST_BYTES = 4 * 2 ** 20;

const originals = [
  writeSafetensors({}),
  writeSafetensors(Object.fromEntries(dtypes.map((dtype) => [dtype, { dtype, shape: [2, 3] }])), { format: "pt" }),
  writeSafetensors({ "model.é\n": { dtype: "BF16", shape: [] }, empty: { dtype: "F64", shape: [4, 0] } }),
];

type Random = () => number;
const below = (random: Random, n: number): number => Math.floor(random() * n);

/** Replacements for a number, a text or a bracket in a damaged or hostile header. */
const words = [
  ...[
    "0",
    "-1",
    "1",
    "2",
    "4294967296",
    "9007199254740991",
    "9007199254740993",
    "1e308",
    "1e400",
    "0.5",
    "null",
    "true",
  ],
  ...[
    '"F32"',
    '"F4"',
    '"U8"',
    '"__metadata__"',
    '"__proto__"',
    '"\\ud800"',
    "{}",
    "[]",
    "[0,8]",
    "[[]]",
    ",",
    ":",
    '"',
    "\\",
  ],
];

const mutations: ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes, random) => {
    bytes[below(random, bytes.length)]! ^= 1 << below(random, 8);
    return bytes;
  },
  (bytes, random) => {
    bytes[below(random, Math.min(8, bytes.length))] = below(random, 256);
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, below(random, bytes.length)),
  (bytes, random) => Buffer.concat([bytes, Buffer.alloc(1 + below(random, 16))]),
  /** Replaces one word of the header and corrects the header's length, to pass the length check. */
  (bytes, random) => {
    const header = bytes.subarray(8, 8 + bytes.readUInt32LE(0)).toString("latin1");
    const tokens = [...header.matchAll(/"[^"]*"|\d+|[[\]{}:,]/g)];
    const old = tokens[below(random, tokens.length)];
    if (!old) return bytes;
    const word = words[below(random, words.length)]!;
    const text = header.slice(0, old.index) + word + header.slice(old.index + old[0].length);
    return withHeader(Buffer.from(text, "latin1"), Math.max(0, bytes.length - 8 - header.length));
  },
];

function mutate(random: Random): Buffer {
  let bytes: Buffer = Buffer.from(originals[below(random, originals.length)]!);
  for (let i = 1 + below(random, 2); i > 0 && bytes.length > 8; i--)
    bytes = mutations[below(random, mutations.length)]!(bytes, random);
  return bytes;
}

/** Returns whether the header was read and matches the file; otherwise, it must be refused in one short sentence. */
function attempt(bytes: Buffer): boolean {
  try {
    const tensors = parseHeader(memoryFile(bytes));
    let end = 8 + bytes.readUInt32LE(0);
    for (const { offset, bytes: length, shape, type } of tensors.values()) {
      expect(offset).toBe(end);
      expect(shape.reduce((total, size) => total * size, bytesOf(type))).toBe(length);
      end += length;
    }
    expect(end).toBe(bytes.length);
    return true;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.message).toMatch(/^test\.safetensors: .{1,400}$/);
    return false;
  }
}

function held(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test("the originals are sound", () => {
  for (const bytes of originals) expect(attempt(bytes)).toBe(true);
});

test(`${MUTATIONS} mutations: read, or refused in one sentence, with little work and space`, async () => {
  const random = seededRandom(20_241_124);
  let [read, before] = [0, held()];
  const calls = await callsOf(() => {
    for (let i = 0; i < MUTATIONS; i++) {
      if (attempt(mutate(random))) read++;
      const after = held();
      if (after - before > MOST_BYTES) expect.fail(`mutation ${i} allocated ${after - before} bytes`);
      before = after;
    }
  });
  expect(calls).toBeLessThan(MOST_CALLS);
  // Both outcomes must be frequent, or the mutations test nothing.
  expect(read).toBeGreaterThan(MUTATIONS / 100);
  expect(read).toBeLessThan(MUTATIONS * 0.8);
});
