import { expect, test, vi } from "vitest";
import { beside } from "./beside.ts";

const late = <T>(value: T) => new Promise<T>((resolve) => setTimeout(resolve, 5, value));
const resource = () => ({ [Symbol.dispose]: vi.fn() });
const fails = () => {
  throw new Error("no tokenizer");
};

test("gives both", async () => {
  const program = resource();
  expect(await beside(late(program), () => 7)).toEqual([program, 7]);
  expect(program[Symbol.dispose]).not.toHaveBeenCalled();
});

test("what was made beside a failure is disposed of before the failure is thrown", async () => {
  const program = resource();
  await expect(beside(late(program), fails)).rejects.toThrow("no tokenizer");
  expect(program[Symbol.dispose]).toHaveBeenCalledOnce();
});

test("a failure on another thread is told once what is read here is there", async () => {
  const read = vi.fn();
  await expect(beside(Promise.reject(new Error("no program")), read)).rejects.toThrow("no program");
  expect(read).toHaveBeenCalledOnce();
});
