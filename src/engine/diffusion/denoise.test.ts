import { expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { drawToken, probabilityOf } from "./choose.ts";
import { END, FakeScorer, MASK, stepsOf } from "./denoise.testing.ts";
import { diffusionOptions, scheduleOf, transferCounts } from "./options.ts";

const random = seededRandom(3);
/** Random logits that depend only on the position. */
const fixed = Array.from({ length: 40 }, () => Array.from({ length: 8 }, () => 4 * random()));
const byPlace = () => new FakeScorer((_, place) => fixed[place]!);

test("a block's tokens are shared out among its steps, the larger parts first", () => {
  expect(transferCounts(32, 10)).toEqual([4, 4, 3, 3, 3, 3, 3, 3, 3, 3]);
  expect(transferCounts(5, 5)).toEqual([1, 1, 1, 1, 1]);
  for (const [n, s] of [
    [17, 4],
    [3, 7],
    [64, 1],
  ] as const)
    expect(transferCounts(n, s).reduce((a, b) => a + b, 0)).toBe(n);
});

test.each([
  [8, { block: 3 }, "block: 3 does not divide the 8 tokens to fill in"],
  [8, { block: 9 }, "block: 9 tokens are more than the 8 to fill in"],
  [8, { block: 4, steps: 3 }, "steps: 3 is not a multiple of the number of blocks, 2"],
  [8, { cache: true, guidance: 1 }, "cache: guidance does not use a cache"],
])("%s tokens, %o: refused", (length, options, sentence) => {
  expect(() => scheduleOf(length, diffusionOptions.parse(options))).toThrow(sentence);
});

test("Gumbel's noise draws by the softmax; without temperature the highest logit is taken", () => {
  const logits = Float32Array.of(1, 0, -1, 2, Number.NEGATIVE_INFINITY);
  const draw = seededRandom(7);
  const draws = 1e5;
  const counts = new Float64Array(5);
  for (let i = 0; i < draws; i++) counts[drawToken(logits, 1, draw)]!++;
  for (const token of [0, 1, 2, 3]) {
    const p = probabilityOf(logits, token);
    expect(Math.abs(counts[token]! / draws - p)).toBeLessThan(3 * Math.sqrt((p * (1 - p)) / draws));
  }
  expect(counts[4]).toBe(0);
  expect(drawToken(logits, 0, draw)).toBe(3);
  expect(() => drawToken(Float32Array.of(1, Number.NaN), 0, draw)).toThrow("logit NaN for token 1");
});

test.each(["low_confidence", "random"] as const)(
  "%s: a committed token stays, and a block waits for the one before",
  async (remasking) => {
    const steps = await stepsOf(byPlace(), 12, { block: 4, steps: 6, remasking }, { random: seededRandom(1) });
    expect(steps).toHaveLength(6);
    for (const [i, { block, answer, committed, full }] of steps.entries()) {
      expect(block).toBe(Math.floor(i / 2));
      expect(committed).toHaveLength(2);
      expect(full).toBe(i % 2 === 1);
      expect(answer.subarray(4 * (block + 1)).every((id) => id === MASK)).toBe(true);
      const before = steps[i - 1]?.answer ?? [];
      for (const [at, id] of before.entries()) if (id !== MASK) expect(answer[at]).toBe(id);
    }
    expect(steps.at(-1)!.answer).not.toContain(MASK);
  },
);

test("one token a step: the most confident place comes first", async () => {
  const steps = await stepsOf(byPlace(), 6, {});
  const confidence = steps.map(({ committed }) => committed[0]!.confidence);
  expect(confidence).toEqual(confidence.toSorted((a, b) => b - a));
});

test("confidence is the probability without noise, also of a token that was drawn", async () => {
  const steps = await stepsOf(byPlace(), 6, { steps: 1 }, { temperature: 1, random: seededRandom(2) });
  const drawn = steps.flatMap(({ committed }) => committed);
  for (const { place, token, confidence } of drawn) {
    const logits = Float32Array.from({ length: 10 }, (_, i) => fixed[place + 2]![i] ?? -1e9);
    expect(confidence).toBeCloseTo(probabilityOf(logits, token), 6);
  }
  const likeliest = (place: number) => fixed[place + 2]!.indexOf(Math.max(...fixed[place + 2]!));
  expect(drawn.some(({ place, token }) => token !== likeliest(place))).toBe(true);
});

test("a threshold above 1 commits one token a pass, and one of 0 a whole block", async () => {
  const [one, sequential, all] = [byPlace(), byPlace(), byPlace()];
  const slow = await stepsOf(one, 8, { block: 4, threshold: 1.5 });
  expect(one.passes).toBe(8);
  expect(slow.map(({ committed }) => committed)).toEqual(
    (await stepsOf(sequential, 8, { block: 4 })).map(({ committed }) => committed),
  );
  await stepsOf(all, 8, { block: 4, threshold: 0 });
  expect(all.passes).toBe(2);
});

/** Two binary tokens: each position gets its marginal, or its conditional if the other token is known. */
const twoTokens = (joint: readonly (readonly number[])[]) =>
  new FakeScorer((ids, place) => {
    const other = ids[place === 2 ? 3 : 2]!;
    const of = (token: number, known: number) => (place === 2 ? joint[token]![known]! : joint[known]![token]!);
    const p = [0, 1].map((token) => (other === MASK ? of(token, 0) + of(token, 1) : of(token, other)));
    return p.map((each) => Math.log(each));
  });

test("tokens that are sure enough come out together as one by one; others need not (Fast-dLLM's theorem)", async () => {
  const answer = async (joint: readonly number[][], threshold: number) => [
    ...(await stepsOf(twoTokens(joint), 2, { threshold })).at(-1)!.answer,
  ];
  const unsure = [
    [0.2, 0.4],
    [0.4, 1e-9],
  ];
  expect(await answer(unsure, 0.5)).toEqual([0, 0]);
  expect(await answer(unsure, 1.5)).toEqual([0, 1]);
  const draw = seededRandom(11);
  for (let i = 0; i < 200; i++) {
    const weights = Array.from({ length: 4 }, () => -Math.log(1 - draw()));
    weights[Math.floor(4 * draw())]! += 12;
    const sum = weights.reduce((a, b) => a + b, 0);
    const [a, b, c, d] = weights.map((w) => w / sum) as [number, number, number, number];
    const marginals = [Math.max(a + b, c + d), Math.max(a + c, b + d)];
    if (Math.min(...marginals) <= 2 / 3) continue;
    expect(
      await answer(
        [
          [a, b],
          [c, d],
        ],
        2 / 3,
      ),
    ).toEqual(
      await answer(
        [
          [a, b],
          [c, d],
        ],
        1.5,
      ),
    );
  }
});

test("guidance moves logits away from a masked prompt's", async () => {
  const scorer = new FakeScorer((ids) => (ids[0] === MASK ? [2, 1.5] : [2, 1.9]));
  expect([...(await stepsOf(scorer, 1, {})).at(-1)!.answer]).toEqual([0]);
  scorer.passes = 0;
  expect([...(await stepsOf(scorer, 1, { guidance: 1 })).at(-1)!.answer]).toEqual([1]);
  expect(scorer.passes).toBe(2);
});

test("tokens that end texts come like others, last, or never", async () => {
  const rule = (_: Int32Array, place: number) =>
    place === 2 ? [0, 1, 0, 0, 0, 0, 0, 0, 9] : [5, 0, 0, 0, 0, 0, 0, 0, 1];
  const order = async (ends: "free" | "last" | "never") => {
    const steps = await stepsOf(new FakeScorer(rule), 2, { ends });
    return { first: steps[0]!.committed[0]!.place, answer: [...steps.at(-1)!.answer] };
  };
  expect(await order("free")).toEqual({ first: 0, answer: [END, 0] });
  expect(await order("last")).toEqual({ first: 1, answer: [END, 0] });
  expect(await order("never")).toEqual({ first: 1, answer: [1, 0] });
});

test("a cache is written at a block's first pass and read in the others", async () => {
  const scorer = byPlace();
  await stepsOf(scorer, 6, { block: 3, cache: true });
  const [first, second] = [2, 5];
  expect(scorer.uses).toEqual([
    ...[{ keep: first }, { after: first }, { after: first }],
    ...[{ keep: second }, { after: second }, { after: second }],
  ]);
});
