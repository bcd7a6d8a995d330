import { expect, test, vi } from "vitest";
import { UserError } from "../util/errors.ts";

test("the first choice makes the pool; another is refused, the same is not", async () => {
  vi.resetModules();
  const { chooseThreads, poolThreads } = await import("./threads.ts");
  chooseThreads(3);
  chooseThreads(5);
  expect(poolThreads()).toBe(5);
  chooseThreads(5);
  expect(() => chooseThreads(2)).toThrow(
    new UserError("all models in this process share 5 threads; expected threads: 5").message,
  );
});

test("without a choice, what the machine and MODICUM_THREADS say", async () => {
  vi.resetModules();
  const { availableThreads, poolThreads } = await import("./threads.ts");
  expect(poolThreads()).toBe(availableThreads());
  vi.stubEnv("MODICUM_THREADS", "7");
  expect(poolThreads()).toBe(7);
  vi.unstubAllEnvs();
});
