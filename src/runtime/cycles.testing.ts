import { writeFileSync } from "node:fs";
import { sym } from "../graph/dim.ts";
import { Graph } from "../graph/graph.ts";
import { linear } from "../graph/ops/matmul.ts";
import { Buffer } from "./buffer.ts";
import { Program } from "./program.ts";

/**
 * Loads, runs and unloads a model of 256 kB repeatedly. (With a larger model, allocators would keep 6 % of its size.)
 * The first argument names its file. Prints resident bytes after the warm-up, and after each of two more rounds.
 */
const SIZE = 256;
const file = process.argv[2]!;
writeFileSync(file, new Float32Array(SIZE * SIZE).fill(1));

async function cycle(): Promise<void> {
  const g = new Graph();
  const w = g.constant(
    "w",
    { dtype: "f32", shape: [SIZE, SIZE] },
    { kind: "file", path: file, offset: 0, bytes: 4 * SIZE * SIZE },
  );
  g.output("y", linear(g.input("x", "f32", [sym("rows"), SIZE]), w));
  using program = await Program.compile(g);
  using x = new Buffer("f32", 8 * SIZE);
  using y = new Buffer("f32", 8 * SIZE);
  await program.bind({ x: x.view([8, SIZE]), y: y.view([8, SIZE]) }).run();
}

/** Resident bytes after garbage collection. */
async function resident(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    global.gc!();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage.rss();
}

async function cycles(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await cycle();
}

/** The lowest reading over 50 cycles: higher ones include memory that allocators have not returned yet. */
async function least(): Promise<number> {
  let bytes = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    await cycles(10);
    bytes = Math.min(bytes, await resident());
  }
  return bytes;
}

const readings: number[] = [];
for (let i = 0; i < 3; i++) {
  await cycles(150);
  readings.push(await least());
}
process.stdout.write(JSON.stringify(readings));
