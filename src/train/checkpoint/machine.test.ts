import { expect, test } from "vitest";
import { driftOf, thisMachine } from "./machine.ts";

test("the same machine has no drift; another runtime or processor is named", () => {
  const here = thisMachine();
  expect(driftOf(thisMachine(), here)).toBeUndefined();
  expect(here.onnxruntime).toMatch(/^\d+\.\d+/);
  expect(driftOf({ ...here, onnxruntime: "0.1" }, here)).toContain(
    `ONNX Runtime 0.1, but this machine has ${here.onnxruntime}`,
  );
  expect(driftOf({ ...here, processor: "arm64" }, here)).toContain("a processor with different instructions");
});
