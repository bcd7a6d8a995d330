import { describe, expect, test } from "vitest";
import { layerNorm, rmsNorm, skipLayerNorm, skipRmsNorm } from "../../graph/ops/norm.ts";
import { compare, error, noise, type Trial, worst } from "../compare.testing.ts";

describe.each([{ shape: [1, 1, 1] }, { shape: [2, 3, 7] }, { shape: [1, 17, 64] }, { shape: [2, 1, 577] }])(
  "norms of $shape",
  ({ shape }) => {
    const constants = { gain: noise(9, shape.slice(-1)) };

    test.each([1e-6, 1e-5, 0.5])("rmsNorm, epsilon %d", async (epsilon) => {
      const inputs = { x: noise(1, shape) };
      const trace = rmsTrace(epsilon);
      expect(await worst({ inputs, constants, trace })).toBeLessThan(2e-6);
    });

    test("skipRmsNorm gives the norm and the sum", async () => {
      const inputs = { x: noise(1, shape), skip: noise(2, shape) };
      const trace: Trial["trace"] = (t) => ({ ...skipRmsNorm(t.x!, t.skip!, t.gain!, 1e-5) });
      const { normed, residual } = await compare({ inputs, constants, trace });
      expect(error(normed!)).toBeLessThan(2e-6);
      expect(error(residual!)).toBeLessThan(1e-6);
    });

    test.each([true, false])("layerNorm and skipLayerNorm, with a shift: %s", async (shifted) => {
      const inputs = { x: noise(1, shape), skip: noise(2, shape) };
      const trace: Trial["trace"] = (t) => ({
        y: layerNorm(t.x!, t.gain!, shifted ? t.shift : undefined, 1e-3),
        ...skipLayerNorm(t.x!, t.skip!, t.gain!, shifted ? t.shift : undefined, 1e-3),
      });
      const shift = { shift: noise(8, shape.slice(-1)) };
      const outcome = await compare({ inputs, constants: { ...constants, ...(shifted && shift) }, trace });
      expect(Object.keys(outcome)).toEqual(["y", "normed", "residual"]);
      for (const o of Object.values(outcome)) expect(error(o)).toBeLessThan(5e-6);
    });
  },
);

test("rmsNorm of a row of zeros is zero", async () => {
  const inputs = { x: { ...noise(1, [1, 8]), data: new Float32Array(8) } };
  const { y } = await compare({ inputs, constants: { gain: noise(2, [8]) }, trace: rmsTrace(1e-5) });
  expect([...y!.got.data].every((v) => v === 0)).toBe(true);
});

function rmsTrace(epsilon: number): Trial["trace"] {
  return (t) => ({ y: rmsNorm(t.x!, t.gain!, epsilon) });
}
