import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { sym } from "../graph/dim.ts";
import { Graph } from "../graph/graph.ts";
import { linear } from "../graph/ops/matmul.ts";
import { Buffer } from "./buffer.ts";
import { MappedFile, mapsFiles } from "./mapped-file.ts";
import { Program } from "./program.ts";
import { SharedWeights } from "./shared-weights.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-shared-"));
afterAll(() => rmSync(root, { recursive: true }));

const SIZE = 2048;
const BYTES = 4 * SIZE * SIZE;
/** A weight of 16 MB between two of 64 bytes. */
const file = path.join(root, "weights.bin");
const weight = Float32Array.from({ length: SIZE * SIZE }, (_, i) => ((i * 7) % 13) - 6);
writeFileSync(file, new Uint8Array(BYTES + 128));
writeFileSync(file, new Uint8Array(weight.buffer), { flag: "r+" });

function product(): Graph {
  const g = new Graph();
  const data = { kind: "file", path: file, offset: 0, bytes: BYTES } as const;
  const w = g.constant("w", { dtype: "f32", shape: [SIZE, SIZE] }, data);
  g.output("y", linear(g.input("x", "f32", [sym("rows"), SIZE]), w));
  return g;
}

const ownMegabytes = (): number =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;

async function run(program: Program): Promise<Float32Array> {
  using x = new Buffer("f32", SIZE);
  using y = new Buffer("f32", SIZE);
  new Float32Array(x.memory).fill(1);
  await program.bind({ x: x.view([1, SIZE]), y: y.view([1, SIZE]) }).run();
  return new Float32Array(y.memory).slice();
}

test.runIf(mapsFiles)(
  "programs that share a weight compute as one that does not, whichever is disposed of",
  async () => {
    using alone = await Program.compile(product());
    const expected = await run(alone);
    const shared = new SharedWeights();
    const [first, second] = [
      await Program.compile(product(), "shared", shared),
      await Program.compile(product(), "caller", shared),
    ];
    shared.settle();
    shared[Symbol.dispose]();
    expect(await run(first!)).toEqual(expected);
    first![Symbol.dispose]();
    expect(await run(second!)).toEqual(expected);
    second![Symbol.dispose]();
  },
);

test.runIf(process.platform === "linux")("eight of them hold it once", async () => {
  using shared = new SharedWeights();
  const programs = [await Program.compile(product(), "shared", shared)];
  const before = ownMegabytes();
  for (let i = 0; i < 7; i++) programs.push(await Program.compile(product(), "shared", shared));
  expect(ownMegabytes() - before).toBeLessThan(5 * (BYTES / 2 ** 20));
  for (const program of programs) program[Symbol.dispose]();
});

test("a graph that does not compile leaves nothing in use", async () => {
  using shared = new SharedWeights();
  const g = new Graph();
  const data = { kind: "file", path: path.join(root, "gone.bin"), offset: 0, bytes: 64 } as const;
  g.output("y", linear(g.input("x", "f32", [1, 4]), g.constant("w", { dtype: "f32", shape: [4, 4] }, data)));
  await expect(Program.compile(g, "shared", shared)).rejects.toThrow(/gone\.bin/);
});

test.runIf(mapsFiles)("a mapped file is read where it is touched, and not beyond its end", () => {
  using mapped = new MappedFile(file);
  expect(mapped.at(8, 8)).toBe(mapped.at(0, 8) + 8n);
  expect(() => mapped.at(BYTES + 120, 16)).toThrow(RangeError);
  mapped.drop();
});
