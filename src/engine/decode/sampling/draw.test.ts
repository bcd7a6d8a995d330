import { expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { everyToken } from "./candidates.ts";
import { draw } from "./draw.ts";
import { argmax } from "./softmax.ts";

const all = (logits: Float32Array) => everyToken(logits, logits[argmax(logits)]!, 1);
const ALMOST_ONE = 1 - 2 ** -53;

test("a share of the mass falls on the token that spans it, by rising id", () => {
  // Weights 1, 2, 3, 4: the borders are at 0.1, 0.3, 0.6.
  const logits = Float32Array.of(1, 2, 3, 4).map(Math.log);
  const drawn = [0, 0.0999, 0.1001, 0.2999, 0.3001, 0.5999, 0.6001, ALMOST_ONE].map((u) => draw(all(logits), u));
  expect(drawn).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
});

test("across chunks it agrees with the running sum", () => {
  const random = seededRandom(3);
  const logits = Float32Array.from({ length: 3000 }, () => random() * 6);
  const weights = Array.from(logits, Math.exp);
  const total = weights.reduce((a, b) => a + b);
  for (let i = 0; i < 300; i++) {
    const u = random();
    let id = -1;
    for (let sum = 0; sum <= u * total; id++) sum += weights[id + 1]!;
    expect(draw(all(logits), u)).toBe(id);
  }
});

test("tokens without weight are never drawn, at the ends neither", () => {
  for (const n of [2, 255, 256, 257, 1000]) {
    for (const at of [0, 1, n - 1]) {
      const logits = new Float32Array(n).fill(-Infinity);
      logits[at] = 4;
      for (const u of [0, 0.5, ALMOST_ONE]) expect(draw(all(logits), u)).toBe(at);
    }
  }
});

test("rounding at the very end stays on a token with weight", () => {
  const random = seededRandom(4);
  for (let round = 0; round < 300; round++) {
    const logits = Float32Array.from({ length: 700 }, (_, i) => (i < 500 ? random() * 20 : -Infinity));
    expect(draw(all(logits), ALMOST_ONE)).toBeLessThan(500);
  }
});
