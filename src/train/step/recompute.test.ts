import path from "node:path";
import { expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { trainOptions } from "../options.ts";
import { oldSubject } from "../subject/subject.ts";
import { productBytes, recomputes } from "./recompute.ts";

const folder = path.join(import.meta.dirname, "../fixtures", "shakespeare");

test("auto recomputes if the products and the parameters take more than half of the memory", async () => {
  const options = trainOptions.parse({ data: "text.txt", recompute: "auto" });
  using subject = await oldSubject(options, openCheckpoint(folder));
  const shape = { rows: 2, tokens: 32, packed: false };
  const bytes = productBytes(subject.trainee, shape);
  expect(productBytes(subject.trainee, { ...shape, rows: 4 })).toBe(2 * bytes);
  // At least each layer's normalised input, its queries and the feed-forward's product are stored.
  const { layers, hidden } = subject.trainee.stack;
  expect(bytes).toBeGreaterThan(layers * 2 * 32 * 4 * hidden * 4);
  const { values, gradients } = subject.store;
  const needed = 2 * (bytes + values.bytes + 3 * gradients.bytes);
  expect(recomputes("auto", subject, shape, needed)).toBe(false);
  expect(recomputes("auto", subject, shape, needed - 1)).toBe(true);
  expect(recomputes(false, subject, shape, 0)).toBe(false);
  expect(recomputes(true, subject, shape, needed)).toBe(true);
});

test.each(["often", 1])("recompute: %j is refused", (recompute) => {
  expect(() => trainOptions.parse({ data: "a.txt", recompute })).toThrow("expected true, false or auto");
});
