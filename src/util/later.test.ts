import { expect, test, vi } from "vitest";
import { later } from "./later.ts";

test("a function's module loads with its first call, which it gets whole", async () => {
  const load = vi.fn(
    async () =>
      async (a: number, b = 1) =>
        a + b,
  );
  const add = later(load);
  expect(load).not.toHaveBeenCalled();
  expect(await Promise.all([add(2), add(2, 3)])).toEqual([3, 5]);
  await expect(later(async () => async () => Promise.reject(new Error("no")))()).rejects.toThrow("no");
});
