import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LineWriter, type Write } from "./line-writer.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A file whose writes end on a test's command. */
function file() {
  const taken: string[] = [];
  const pending: { bytes: Uint8Array; done: Parameters<Write>[2] }[] = [];
  const put: Write = (_, bytes, done) => void pending.push({ bytes, done });
  /** Ends the running write, or else the next one, once its timer has fired. */
  const end = (error?: string, share = 1) => {
    if (pending.length === 0) vi.advanceTimersToNextTimer();
    const { bytes, done } = pending.shift()!;
    if (error) return done(Object.assign(new Error(error), { code: error }), 0);
    const written = Math.floor(bytes.length * share);
    taken.push(Buffer.from(bytes.subarray(0, written)).toString());
    done(null, written);
  };
  return { put, pending, taken, end };
}

const lost = (lines: number) => `${lines} lost\n`;

test("lines are written together, whole and in order, even if each write takes only some bytes", () => {
  const { put, taken, end } = file();
  const writer = new LineWriter(2, lost, 1000, put);
  for (const line of ["one\n", "two\n", "three\n"]) writer.write(line);
  for (const share of [0.5, 0.3, 1]) end(undefined, share);
  expect(taken).toHaveLength(3);
  expect(taken.join("")).toBe("one\ntwo\nthree\n");
});

test.each(["ENOSPC", "EIO", "EPIPE", "EAGAIN"])(
  "%s: lines wait up to the bound, further ones are counted, and reported after the waiting lines once a write succeeds",
  (code) => {
    const { put, taken, end, pending } = file();
    const writer = new LineWriter(2, lost, 12, put);
    writer.write("1234\n");
    end(code);
    writer.write("5678\n");
    for (let i = 0; i < 7; i++) writer.write("beyond\n");
    end(code);
    end();
    writer.write("then\n");
    end();
    expect(taken).toEqual(["1234\n5678\n", "7 lost\nthen\n"]);
    expect(pending).toEqual([]);
  },
);

test("one write at a time, whatever its reader does", () => {
  const { put, taken, end, pending } = file();
  const writer = new LineWriter(2, lost, 100_000, put);
  for (let i = 0; i < 4; i++) writer.write(`${"x".repeat(5000)}\n`);
  expect(pending).toHaveLength(1);
  end();
  expect(pending).toHaveLength(1);
  end();
  expect(taken.join("")).toHaveLength(4 * 5001);
});
