import { expect, test } from "vitest";
import { restExponents } from "./rest-exponents.ts";

test("rates of one channel share its steps", () => {
  const [a, b, c, d] = restExponents([-1, -2, -1, -2], [0, 3]);
  expect(a).toBeCloseTo(-Math.LN2, 12);
  expect(b).toBeCloseTo(-2 * Math.LN2, 12);
  expect(c).toBeCloseTo(-Math.log1p(Math.exp(3)), 12);
  expect(d).toBeCloseTo(2 * c!, 12);
});
