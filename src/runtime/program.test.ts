import { Buffer as Bytes } from "node:buffer";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { sym } from "../graph/dim.ts";
import { Graph } from "../graph/graph.ts";
import { apply1, type Op } from "../graph/op.ts";
import { plus } from "../graph/ops/elementwise.ts";
import { linear } from "../graph/ops/matmul.ts";
import { Buffer } from "./buffer.ts";
import { Program } from "./program.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-program-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** y = x W with a square W of ones. */
function product(size: number): Graph {
  const g = new Graph();
  const x = g.input("x", "f32", [sym("rows"), size]);
  const bytes = new Uint8Array(new Float32Array(size * size).fill(1).buffer);
  g.output("y", linear(x, g.constant("w", { dtype: "f32", shape: [size, size] }, { kind: "memory", bytes })));
  return g;
}

function ones(elements: number): Buffer {
  const buffer = new Buffer("f32", elements);
  new Float32Array(buffer.memory).fill(1);
  return buffer;
}

describe("constants", () => {
  const values = Float32Array.from({ length: 64 }, (_, i) => i);

  test.each([
    { kind: "memory" as const, bytes: new Uint8Array(values.buffer) },
    { kind: "file" as const, path: path.join(folder, "weights.bin"), offset: 128, bytes: 256 },
  ])("in $kind", async (data) => {
    writeFileSync(path.join(folder, "weights.bin"), Bytes.concat([new Uint8Array(128), new Uint8Array(values.buffer)]));
    const g = new Graph();
    const x = g.input("x", "f32", [64]);
    g.output("y", plus(x, g.constant("w", { dtype: "f32", shape: [64] }, data)));
    using program = await Program.compile(g);
    using from = ones(64);
    using to = new Buffer("f32", 64);
    await program.bind({ x: from.view([64]), y: to.view([64]) }).run();
    expect(new Float32Array(to.memory)).toEqual(values.map((v) => v + 1));
  });

  test("in a file that is not there: the message names it", async () => {
    const g = new Graph();
    const data = { kind: "file" as const, path: path.join(folder, "gone.bin"), offset: 0, bytes: 256 };
    g.output("y", plus(g.input("x", "f32", [64]), g.constant("w", { dtype: "f32", shape: [64] }, data)));
    await expect(Program.compile(g)).rejects.toThrow("gone.bin");
  });

  test("of one graph lie in one folder", async () => {
    const g = new Graph();
    const at = (name: string) => ({
      kind: "file" as const,
      path: path.join(folder, name, "w.bin"),
      offset: 0,
      bytes: 4,
    });
    const c = (name: string) => g.constant(name, { dtype: "f32", shape: [1] }, at(name));
    g.output("y", plus(c("a"), c("b")));
    await expect(Program.compile(g)).rejects.toThrow("the constants of one graph are in 2 folders");
  });
});

describe("errors", () => {
  const wrong: Op<null> = {
    name: "wrong",
    operands: ["x"],
    infer: ([x]) => [x!],
    onnx: (emit, { inputs, outputs }) => emit.node("NoSuchOperator", inputs, outputs),
    reference: ([x]) => [x!],
  };

  test("a model that ONNX Runtime refuses: its message, with the function that failed", async () => {
    const g = new Graph();
    g.output("y", apply1(wrong, [g.input("x", "f32", [1])], null));
    await expect(Program.compile(g)).rejects.toThrow(/^ONNX Runtime, CreateSessionFromArray: .*NoSuchOperator/);
  });

  test("a view of the wrong shape: the message names the input; the program still runs afterwards", async () => {
    using program = await Program.compile(product(8));
    using x = ones(64);
    using y = new Buffer("f32", 64);
    const wrongly = program.bind({ x: x.view([4, 4]), y: y.view([4, 8]) });
    await expect(wrongly.run()).rejects.toThrow(/^ONNX Runtime, Run: .*\bx\b/);
    expect(() => wrongly.runSync()).toThrow(/^ONNX Runtime, Run: /);
    await program.bind({ x: x.view([8, 8]), y: y.view([8, 8]) }).run();
    expect(new Float32Array(y.memory)).toEqual(new Float32Array(64).fill(8));
  });

  test("a view that is missing", async () => {
    using program = await Program.compile(product(8));
    using x = ones(8);
    expect(() => program.bind({ x: x.view([1, 8]) })).toThrow('nothing is bound to "y"');
  });
});

describe("runs", () => {
  test("several sizes of one program, and synchronously the same", async () => {
    using program = await Program.compile(product(16));
    using x = ones(16 * 5);
    using y = new Buffer("f32", 16 * 5);
    for (const rows of [1, 3, 5]) {
      const bound = program.bind({ x: x.view([rows, 16]), y: y.view([rows, 16]) });
      const memory = new Float32Array(y.memory, 0, 16 * rows);
      for (const run of [() => bound.run(), () => bound.runSync()]) {
        memory.fill(0);
        await run();
        expect(memory.every((v) => v === 16)).toBe(true);
      }
    }
  });

  test("leave the event loop turning", async () => {
    const size = 2048;
    using program = await Program.compile(product(size));
    using x = ones(2 * size * size);
    using y = new Buffer("f32", 2 * size * size);
    const bound = program.bind({ x: x.view([2 * size, size]), y: y.view([2 * size, size]) });
    let turns = 0;
    let running = true;
    const ran = bound.run().finally(() => {
      running = false;
    });
    while (running) {
      await setImmediate();
      turns++;
    }
    await ran;
    // A run takes more than 100 ms, a turn a few microseconds; if runs blocked, there would be only one or two turns.
    expect(turns).toBeGreaterThan(10);
  });

  test("outlive the disposal of their program", async () => {
    const program = await Program.compile(product(512));
    using x = ones(512 * 512);
    using y = new Buffer("f32", 512 * 512);
    const running = program.bind({ x: x.view([512, 512]), y: y.view([512, 512]) }).run();
    program[Symbol.dispose]();
    await running;
    expect(new Float32Array(y.memory)[512 * 512 - 1]).toBe(512);
  });
});

test("after disposal, of program or buffer, nothing runs or binds", async () => {
  const program = await Program.compile(product(8));
  using x = ones(8);
  const y = new Buffer("f32", 8);
  const binding = { x: x.view([1, 8]), y: y.view([1, 8]) };
  const bound = program.bind(binding);
  y[Symbol.dispose]();
  await expect(bound.run()).rejects.toThrow("a view was used after it was disposed");
  expect(() => bound.runSync()).toThrow("a view was used after it was disposed");
  using again = new Buffer("f32", 8);
  const other = program.bind({ ...binding, y: again.view([1, 8]) });
  for (let i = 0; i < 2; i++) program[Symbol.dispose]();
  await expect(other.run()).rejects.toThrow("a program was used after it was disposed");
  expect(() => other.runSync()).toThrow("a program was used after it was disposed");
  expect(() => program.bind(binding)).toThrow("a program was used after it was disposed");
});
