import os from "node:os";
import { expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { checkMemory, memoryLimit } from "./memory.ts";

test("what fits passes; what does not is one sentence with both figures and what would fit", () => {
  expect(() => checkMemory("m", 16e9, 16e9)).not.toThrow();
  expect(() => checkMemory("m.gguf", 31.24e9, 16e9)).toThrow(
    new UserError(
      "m.gguf: its weights take 31.2 GB of memory, but this machine has 16.0 GB; a model of at most 13.8 billion parameters in 8 bits would fit",
    ),
  );
});

test("the limit is the machine's memory or less", () => {
  expect(memoryLimit()).toBeGreaterThan(1e8);
  expect(memoryLimit()).toBeLessThanOrEqual(os.totalmem());
});
