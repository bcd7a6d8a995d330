import { describe, expect, test } from "vitest";
import { type SamplingInput, samplingOptions } from "./options.ts";
import { Penalties } from "./penalties.ts";

const penalties = (options: SamplingInput, prompt: number[] = []) =>
  new Penalties(samplingOptions.parse(options), prompt);
const applied = (p: Penalties, ...logits: number[]): number[] => {
  const changed = Float32Array.from(logits);
  p.apply(changed);
  return [...changed];
};

test("neutral settings do nothing and say so", () => {
  const p = penalties({}, [0, 1]);
  p.accept(2);
  expect(p.active).toBe(false);
  expect(applied(p, 1, -2, 3)).toEqual([1, -2, 3]);
});

describe("repetition", () => {
  test("divides positive and multiplies negative logits, once however often the token came", () => {
    const p = penalties({ repetitionPenalty: 2 });
    for (const id of [0, 0, 1, 3]) p.accept(id);
    expect(p.active).toBe(true);
    expect(applied(p, 3, -3, 5, 0)).toEqual([1.5, -6, 5, 0]);
  });

  test("sees the prompt", () => {
    expect(applied(penalties({ repetitionPenalty: 4 }, [1]), 8, 8)).toEqual([8, 2]);
  });

  test("forgets what left the window, but not while it still stands in it twice", () => {
    const p = penalties({ repetitionPenalty: 2, repetitionWindow: 3 }, [0, 1, 0, 2]);
    expect(applied(p, 4, 4, 4, 4)).toEqual([2, 2, 2, 4]);
    p.accept(3);
    expect(applied(p, 4, 4, 4, 4)).toEqual([2, 4, 2, 2]);
    p.accept(3);
    expect(applied(p, 4, 4, 4, 4)).toEqual([4, 4, 2, 2]);
    p.accept(3);
    p.accept(0);
    expect(applied(p, 4, 4, 4, 4)).toEqual([2, 4, 4, 2]);
  });
});

describe("frequency and presence", () => {
  test("frequency counts, presence does not", () => {
    const p = penalties({ frequencyPenalty: 0.5, presencePenalty: 1.5 });
    for (const id of [1, 1, 1, 2]) p.accept(id);
    expect(applied(p, 10, 10, 10)).toEqual([10, 10 - 3 * 0.5 - 1.5, 10 - 0.5 - 1.5]);
  });

  test("negative values favour what was said", () => {
    const p = penalties({ frequencyPenalty: -2, presencePenalty: -1 });
    p.accept(0);
    expect(applied(p, -1, -1)).toEqual([2, -1]);
  });

  test("the prompt is not counted, and the window does not matter", () => {
    const p = penalties({ presencePenalty: 1, repetitionWindow: 1 }, [0]);
    p.accept(1);
    p.accept(2);
    expect(applied(p, 5, 5, 5)).toEqual([5, 4, 4]);
  });
});

test("together: repetition first, then the subtractions", () => {
  const p = penalties({ repetitionPenalty: 2, frequencyPenalty: 1, presencePenalty: 0.5 });
  p.accept(0);
  p.accept(0);
  expect(applied(p, 8)).toEqual([8 / 2 - 2 - 0.5]);
});

test("-Infinity stays -Infinity", () => {
  const p = penalties({ repetitionPenalty: 0.5, presencePenalty: -2 });
  p.accept(0);
  expect(applied(p, -Infinity)).toEqual([-Infinity]);
});
