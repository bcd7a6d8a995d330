import { describe, expect, test } from "vitest";
import { UserError } from "../../../util/errors.ts";
import { seededRandom } from "../../../util/random.ts";
import { argmax, BOTTOM, decay, logSumExp, STEP } from "./softmax.ts";

const spread = (n: number, seed: number, width: number): Float32Array => {
  const random = seededRandom(seed);
  return Float32Array.from({ length: n }, () => (random() - 0.5) * width);
};

test("decay is exp to a relative 1e-7, from 0 to the bottom", () => {
  let worst = 0;
  for (let depth = 0; depth < BOTTOM; depth += 0.0137)
    worst = Math.max(worst, Math.abs(decay(depth) / Math.exp(-depth * STEP) - 1));
  expect(worst).toBeLessThan(1e-7);
  expect(worst).toBeGreaterThan(0);
});

describe("argmax", () => {
  test("finds the highest wherever it stands, at every length", () => {
    for (let n = 1; n <= 13; n++) {
      for (let at = 0; at < n; at++)
        expect(argmax(Float32Array.from({ length: n }, (_, i) => (i === at ? -1 : -2)))).toBe(at);
    }
  });

  test("takes the lowest id of equals", () => {
    expect(argmax(Float32Array.of(1, 3, 2, 3, 3))).toBe(1);
    expect(argmax(new Float32Array(9))).toBe(0);
    expect(argmax(Float32Array.of(-0, 0))).toBe(0);
  });

  test("passes over -Infinity", () => {
    expect(argmax(Float32Array.of(-Infinity, -Infinity, -1e30, -Infinity, -Infinity))).toBe(2);
  });

  test("refuses NaN and +Infinity at any place in one sentence that names the token", () => {
    for (const bad of [Number.NaN, Infinity]) {
      for (let n = 1; n <= 9; n++) {
        for (let at = 0; at < n; at++) {
          const logits = Float32Array.from({ length: n }, (_, i) => (i === at ? bad : 5 - i));
          const sentence = `the model gave the logit ${bad} for token ${at}, expected a finite number`;
          expect(() => argmax(logits)).toThrow(new UserError(sentence));
        }
      }
    }
  });

  test("refuses logits without any candidate", () => {
    expect(() => argmax(new Float32Array(0))).toThrow(UserError);
    expect(() => argmax(Float32Array.of(-Infinity, -Infinity))).toThrow(/no token a logit above -Infinity/);
  });
});

describe("logSumExp", () => {
  test("agrees with the plain formula", () => {
    for (const width of [0.1, 10, 60, 300]) {
      const logits = spread(5000, width, width);
      const max = Math.max(...logits);
      const plain = max + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - max), 0));
      expect(Math.abs(logSumExp(logits, max) - plain)).toBeLessThan(1e-7);
    }
  });

  test("takes -Infinity as probability 0 and stands large offsets", () => {
    expect(logSumExp(Float32Array.of(1000, -Infinity, 1000), 1000)).toBeCloseTo(1000 + Math.log(2), 6);
    expect(logSumExp(Float32Array.of(-1e30, -Infinity), Math.fround(-1e30))).toBe(Math.fround(-1e30));
  });
});
