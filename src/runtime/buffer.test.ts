import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Buffer, ViewSet } from "./buffer.ts";

describe("a buffer", () => {
  test.each(["f32", "f16", "i64", "i32", "i8", "u8", "bool"] as const)("of %s keeps what is written", (dtype) => {
    using buffer = new Buffer(dtype, 1000);
    const bytes = new Uint8Array(buffer.memory);
    expect(bytes.length).toBe(buffer.bytes);
    bytes.fill(7);
    expect(new Uint8Array(buffer.memory).every((v) => v === 7)).toBe(true);
  });

  test("gives the same view for the same arguments", () => {
    using buffer = new Buffer("f32", 12);
    expect(buffer.view([3, 4])).toBe(buffer.view([3, 4]));
    expect(buffer.view([3, 4])).not.toBe(buffer.view([4, 3]));
    expect(buffer.view([2, 3], 6)).not.toBe(buffer.view([2, 3]));
    expect(buffer.fresh([3, 4])).not.toBe(buffer.fresh([3, 4]));
  });

  test("refuses a view that passes its end, or starts where no element does", () => {
    using buffer = new Buffer("f32", 12);
    expect(() => buffer.view([13])).toThrow(new RangeError("a view of [13] at 0 exceeds the buffer's 12 elements"));
    expect(() => buffer.view([3, 2], 7)).toThrow("a view of [3,2] at 7 exceeds the buffer's 12 elements");
    expect(() => buffer.view([1], -1)).toThrow(RangeError);
    expect(() => buffer.view([1], 0.5)).toThrow(RangeError);
    expect(() => buffer.view([12])).not.toThrow();
    expect(() => buffer.view([0], 12)).not.toThrow();
  });

  test("copies and exchanges parts of what is longer than an ArrayBuffer can be", () => {
    const [elements, end] = [1.2e9, 1.2e9 - 3];
    using long = new Buffer("f32", elements);
    using short = new Buffer("f32", 3);
    const values = new Float32Array(short.memory);
    values.set([1, 2, 3]);
    long.copy(end, short, 0, 3);
    values.set([4, 5, 6]);
    long.exchange(end, short, 0, 3);
    expect([...values]).toEqual([1, 2, 3]);
    short.copy(0, long, end, 3);
    expect([...values]).toEqual([4, 5, 6]);
    expect(() => short.copy(0, long, end, 4)).toThrow(RangeError);
  });

  test("what is copied is no memory of JavaScript's, which would collect it", () => {
    using buffer = new Buffer("f32", 100_000);
    const before = process.memoryUsage().external;
    for (let i = 0; i < 50; i++) buffer.copy(0, buffer, 50_000, 50_000);
    expect(process.memoryUsage().external - before).toBeLessThan(1e6);
  });

  test("exchanges more than goes at once", () => {
    using one = new Buffer("f32", 50_000);
    using other = new Buffer("f32", 50_000);
    const [a, b] = [new Float32Array(one.memory), new Float32Array(other.memory)];
    for (let i = 0; i < a.length; i++) [a[i], b[i]] = [i, -i];
    one.exchange(1, other, 2, 49_000);
    expect([a[0], a[1], a[49_000], a[49_001]]).toEqual([0, -2, -49_001, 49_001]);
    expect([b[1], b[2], b[49_001], b[49_002]]).toEqual([-1, 1, 49_000, -49_002]);
  });

  test("refuses everything after disposal, which may come twice", () => {
    const buffer = new Buffer("f32", 12);
    const view = buffer.view([12]);
    const own = buffer.fresh([12]);
    expect(view.value).not.toBe(0n);
    for (let i = 0; i < 2; i++) buffer[Symbol.dispose]();
    expect(() => view.value).toThrow("a view was used after it was disposed");
    expect(() => own.value).toThrow("a view was used after it was disposed");
    expect(() => buffer.view([12])).toThrow("a buffer was used after it was disposed");
    expect(() => buffer.memory).toThrow("a buffer was used after it was disposed");
    own[Symbol.dispose]();
  });
});

describe("memory given back", () => {
  const page = 16_384;
  /** Resident memory, excluding file pages, because the system may drop those at any time. */
  const resident = () => 1024 * Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]);

  test.runIf(process.platform === "linux")("is resident no more, reads as zeros, and can be written anew", () => {
    using buffer = new Buffer("f32", 64e6).inSmallPages();
    const memory = new Float32Array(buffer.memory).fill(7);
    const before = resident();
    buffer.giveBack(1e6, 62e6);
    // Meanwhile, the process's own heap grows and shrinks by about 10 MB.
    expect(before - resident()).toBeGreaterThan(200e6);
    const [middle, edges] = [
      memory.subarray(1e6 + page, 63e6 - page),
      [memory.subarray(0, 1e6), memory.subarray(63e6)],
    ];
    expect(middle.every((v) => v === 0)).toBe(true);
    for (const edge of edges) expect(edge.every((v) => v === 7)).toBe(true);
    // Reading the zeros took no memory.
    expect(before - resident()).toBeGreaterThan(200e6);
    middle.fill(8);
    expect(middle.every((v) => v === 8)).toBe(true);
    expect(before - resident()).toBeLessThan(50e6);
  });

  test.runIf(process.platform === "linux")(
    "is what buffers had that lie between others in the allocator's heap",
    () => {
      // Freeing a large buffer makes glibc take smaller buffers from its heap afterwards.
      new Buffer("f32", 7e6)[Symbol.dispose]();
      const buffers = Array.from({ length: 600 }, () => new Buffer("f32", 75_000));
      for (const buffer of buffers) new Float32Array(buffer.memory).fill(1);
      const before = resident();
      const retained = buffers.filter((_, i) => i % 20 === 19);
      for (const [i, buffer] of buffers.entries()) if (i % 20 < 19) buffer[Symbol.dispose]();
      expect(before - resident()).toBeGreaterThan(120e6);
      for (const buffer of retained) buffer[Symbol.dispose]();
    },
  );

  test("less than a page, or beyond the end", () => {
    using buffer = new Buffer("f32", 12);
    new Float32Array(buffer.memory).fill(7);
    buffer.giveBack(0, 12);
    expect([...new Float32Array(buffer.memory)]).toEqual(new Array(12).fill(7));
    expect(() => buffer.giveBack(3, 10)).toThrow(new RangeError("elements 3 to 13 exceed the buffer's 12"));
    expect(() => buffer.giveBack(-1, 2)).toThrow(RangeError);
  });
});

test("a set of views is disposed of together; the buffer stays", () => {
  using buffer = new Buffer("f32", 12);
  const set = new ViewSet();
  const views = [set.of(buffer, [3], 0), set.of(buffer, [3], 3)];
  set[Symbol.dispose]();
  for (const view of views) expect(() => view.value).toThrow("after it was disposed");
  expect(() => buffer.view([12]).value).not.toThrow();
});
