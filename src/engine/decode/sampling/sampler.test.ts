import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { type SamplingInput, samplingOptions } from "./options.ts";
import { Sampler } from "./sampler.ts";

const sampler = (options: SamplingInput, prompt: number[] = []) => new Sampler(samplingOptions.parse(options), prompt);

/** The complete chain in the simple way: sorts the vocabulary, cuts, normalises. Returns each token's probability. */
function plainDistribution(logits: Float32Array, options: SamplingInput): number[] {
  const { temperature, topK, topP, minP } = samplingOptions.parse(options);
  const scaled = Array.from(logits, (x) => x / temperature);
  const order = scaled.map((_, id) => id).sort((a, b) => scaled[b]! - scaled[a]! || a - b);
  const afterK = topK === 0 ? order : order.slice(0, topK);
  const weight = (id: number): number => Math.exp(scaled[id]! - scaled[order[0]!]!);
  const mass = afterK.reduce((sum, id) => sum + weight(id), 0);
  let before = 0;
  const afterP = afterK.filter((id) => {
    const reached = before >= topP * mass && before > 0;
    before += weight(id);
    return !reached;
  });
  const retained = afterP.filter((id) => weight(id) >= minP);
  const total = retained.reduce((sum, id) => sum + weight(id), 0);
  return scaled.map((_, id) => (retained.includes(id) ? weight(id) / total : 0));
}

/** The chi-square value that `degrees` of freedom exceed by chance once in a thousand (Wilson-Hilferty). */
const critical = (degrees: number): number =>
  degrees * (1 - 2 / (9 * degrees) + 3.09 * Math.sqrt(2 / (9 * degrees))) ** 3;

function chiSquare(counts: number[], expected: number[]): { value: number; degrees: number } {
  const cells = expected.map((e, i) => ({ e, n: counts[i]! })).filter(({ e }) => e >= 5);
  const rest = { e: 0, n: 0 };
  for (const [i, e] of expected.entries()) if (e < 5) [rest.e, rest.n] = [rest.e + e, rest.n + counts[i]!];
  if (rest.e >= 5) cells.push(rest);
  return { value: cells.reduce((sum, { e, n }) => sum + (n - e) ** 2 / e, 0), degrees: Math.max(1, cells.length - 1) };
}

describe("draws follow the distribution of the plain chain", () => {
  const random = seededRandom(99);
  const logits = Float32Array.from({ length: 80 }, () => random() * 6);
  const draws = 5000;

  test.each<SamplingInput>([
    { temperature: 1 },
    { temperature: 0.4 },
    { temperature: 3 },
    { temperature: 1, topK: 1 },
    { temperature: 1, topK: 25 },
    { temperature: 0.8, topP: 0.6 },
    { temperature: 1.5, topP: 0.95 },
    { temperature: 1, minP: 0.3 },
    { temperature: 0.7, topK: 60, topP: 0.8, minP: 0.1 },
    { temperature: 1, topP: 0 },
  ])("%o", (options) => {
    const s = sampler({ ...options, seed: 2024 });
    const counts = new Array<number>(logits.length).fill(0);
    for (let i = 0; i < draws; i++) counts[s.sample(logits).id]!++;
    const expected = plainDistribution(logits, options).map((p) => p * draws);
    for (const [id, e] of expected.entries()) if (e === 0) expect(counts[id], `token ${id} was cut`).toBe(0);
    const { value, degrees } = chiSquare(counts, expected);
    expect(value).toBeLessThan(critical(degrees));
  });

  test("and a wrong distribution would be noticed", () => {
    const s = sampler({ temperature: 1, seed: 2024 });
    const counts = new Array<number>(logits.length).fill(0);
    for (let i = 0; i < draws; i++) counts[s.sample(logits).id]!++;
    const { value, degrees } = chiSquare(
      counts,
      plainDistribution(logits, { temperature: 1.2 }).map((p) => p * draws),
    );
    expect(value).toBeGreaterThan(critical(degrees));
  });
});

describe("seed", () => {
  const random = seededRandom(5);
  const steps = Array.from({ length: 40 }, () => Float32Array.from({ length: 1000 }, () => random() * 5));
  const run = (options: SamplingInput): number[] => {
    const s = sampler({ temperature: 1, repetitionPenalty: 1.3, topP: 0.95, ...options });
    return steps.map((logits) => {
      const { id } = s.sample(logits);
      s.accept(id);
      return id;
    });
  };

  test("the same seed gives the same tokens, another others", () => {
    expect(run({ seed: 7 })).toEqual(run({ seed: 7 }));
    expect(run({ seed: 7 })).not.toEqual(run({ seed: 8 }));
    expect(run({ seed: 7 })).not.toEqual(run({ seed: 7 + 2 ** 32 }));
  });

  test("without a seed runs differ", () => {
    expect(run({})).not.toEqual(run({}));
  });

  test("samplers that take turns don't disturb each other", () => {
    const [a, b] = [
      sampler({ temperature: 1, seed: 7, topK: 50 }),
      sampler({ temperature: 2, seed: 9, topP: 0.5, frequencyPenalty: 1 }),
    ];
    const alone = sampler({ temperature: 1, seed: 7, topK: 50 });
    const expected = steps.map((logits) => alone.sample(logits).id);
    const turns = steps.map((logits) => {
      b.accept(b.sample(logits).id);
      return a.sample(logits).id;
    });
    expect(turns).toEqual(expected);
  });
});

describe("greedy", () => {
  test("takes the likeliest, the lowest id of equals, whatever the filters", () => {
    const logits = Float32Array.of(1, 7, 7, 2);
    expect(sampler({}).sample(logits)).toEqual({ id: 1 });
    expect(sampler({ topK: 3, topP: 0.1, minP: 0.5, seed: 1 }).sample(logits)).toEqual({ id: 1 });
  });

  test("sees penalties: a repeated token gives way", () => {
    const s = sampler({ frequencyPenalty: 1 });
    const logits = Float32Array.of(3, 2.5, 0);
    const ids = Array.from({ length: 5 }, () => {
      const { id } = s.sample(logits);
      s.accept(id);
      return id;
    });
    // 3 | 2, 2.5 | 2, 1.5 | 1, 1.5 | 1, 0.5
    expect(ids).toEqual([0, 1, 0, 1, 0]);
  });

  test("sees the prompt through the repetition penalty", () => {
    expect(sampler({ repetitionPenalty: 2 }, [0]).sample(Float32Array.of(3, 2)).id).toBe(1);
  });
});

describe("logit bias", () => {
  const logits = Float32Array.of(9, -9, 0);

  test("100 forces, -100 bans", () => {
    for (const temperature of [0, 1]) {
      for (let seed = 0; seed < 50; seed++) {
        expect(sampler({ temperature, seed, logitBias: { 1: 100 } }).sample(logits).id).toBe(1);
        expect(sampler({ temperature, seed, logitBias: { 0: -100 } }).sample(logits).id).not.toBe(0);
      }
    }
  });

  test("a small bias adds to the logit", () => {
    expect(sampler({ logitBias: { 2: 8.9 } }).sample(logits).id).toBe(0);
    expect(sampler({ logitBias: { 2: 9.1 } }).sample(logits).id).toBe(2);
  });

  test("a token beyond the vocabulary is refused by name", () => {
    expect(() => sampler({ logitBias: { 3: 1 } }).sample(logits)).toThrow(
      "logitBias names token 3, but the model's vocabulary ends at 2",
    );
  });
});

describe("log-probabilities", () => {
  // Probabilities 0.5, 0.25, 0.125, 0.125.
  const logits = Float32Array.of(0.5, 0.25, 0.125, 0.125).map(Math.log);

  test("are of the raw logits, whatever penalties, bias and temperature do", () => {
    const s = sampler({ temperature: 0.1, seed: 1, logitBias: { 3: 100 }, logprobs: 2, presencePenalty: 2 });
    s.accept(0);
    const { id, logprob, top } = s.sample(logits);
    expect(id).toBe(3);
    expect(logprob).toBeCloseTo(Math.log(0.125), 6);
    expect(top?.map((t) => t.id)).toEqual([0, 1]);
    expect(top?.[0]?.logprob).toBeCloseTo(Math.log(0.5), 6);
    expect(top?.[1]?.logprob).toBeCloseTo(Math.log(0.25), 6);
  });

  test("0 gives the chosen token's alone; unasked there are none", () => {
    expect(sampler({ logprobs: 0 }).sample(logits)).toEqual({
      id: 0,
      logprob: expect.closeTo(Math.log(0.5), 6),
      top: [],
    });
    expect(Object.keys(sampler({}).sample(logits))).toEqual(["id"]);
  });

  test("equals come by rising id, banned tokens not at all, and n may exceed the vocabulary", () => {
    const masked = Float32Array.of(-Infinity, 1, 2, 1, -Infinity);
    expect(
      sampler({ logprobs: 20 })
        .sample(masked)
        .top?.map((t) => t.id),
    ).toEqual([2, 1, 3]);
  });

  test("on a large vocabulary the top n equal a full sort's", () => {
    const random = seededRandom(21);
    const large = Float32Array.from({ length: 5003 }, () => Math.round(random() * 500) / 50);
    const order = Array.from(large.keys()).sort((a, b) => large[b]! - large[a]! || a - b);
    const total = Math.log(large.reduce((sum, x) => sum + Math.exp(x), 0));
    const { top } = sampler({ logprobs: 20 }).sample(large);
    expect(top?.map((t) => t.id)).toEqual(order.slice(0, 20));
    for (const { id, logprob } of top!) expect(logprob).toBeCloseTo(large[id]! - total, 6);
  });
});

test("NaN is one sentence, also behind penalties", () => {
  const logits = Float32Array.of(1, Number.NaN, 2);
  for (const options of [{}, { temperature: 1 }, { presencePenalty: 1 }, { logitBias: { 0: 1 } }]) {
    expect(() => sampler(options).sample(logits)).toThrow(
      "the model gave the logit NaN for token 1, expected a finite number",
    );
  }
});

test("the caller's logits are left as they were", () => {
  const logits = Float32Array.from({ length: 100 }, (_, i) => Math.cos(i) * 9);
  const before = logits.slice();
  const s = sampler({
    temperature: 1,
    repetitionPenalty: 2,
    frequencyPenalty: 1,
    logitBias: { 4: -100 },
    topK: 9,
    topP: 0.9,
    minP: 0.1,
    logprobs: 5,
  });
  for (let i = 0; i < 20; i++) s.accept(s.sample(logits).id);
  expect(logits).toEqual(before);
});

test("a fork chooses what the sampler will choose, and leaves its draws and counts as they are", () => {
  const options = { temperature: 1, seed: 8, repetitionPenalty: 1.5, frequencyPenalty: 0.3 };
  const random = seededRandom(4);
  const rows = Array.from({ length: 12 }, () => Float32Array.from({ length: 30 }, () => 4 * random()));
  const choose = (from: Sampler, some: readonly Float32Array[]) =>
    some.map((row) => {
      const { id } = from.sample(row);
      from.accept(id);
      return id;
    });
  const alone = choose(sampler(options, [1, 2]), rows);
  const forked = sampler(options, [1, 2]);
  for (let at = 0; at < rows.length; at += 4) {
    // A fork may run ahead of the sampler, and on other logits.
    const fork = forked.fork();
    expect(choose(fork, rows.slice(at, at + 5))).toEqual(alone.slice(at, at + 5));
    expect(choose(forked.fork(), rows.slice(at + 1, at + 3))).not.toEqual(alone.slice(at, at + 2));
    expect(choose(forked, rows.slice(at, at + 4))).toEqual(alone.slice(at, at + 4));
  }
});

describe("the log-probability that a token is drawn by", () => {
  const random = seededRandom(7);
  const logits = Float32Array.from({ length: 80 }, () => random() * 6);

  test.each([0.3, 0.7, 1, 2])("at temperature %d, without filters", (temperature) => {
    const expected = plainDistribution(logits, { temperature });
    const s = sampler({ temperature, topK: 3, topP: 0.5, minP: 0.2 });
    for (const [id, probability] of expected.entries())
      expect(s.logprobOf(logits, id)).toBeCloseTo(Math.log(probability), 4);
  });

  test("follows the penalties of the tokens so far, and leaves the logits as they are", () => {
    const s = sampler({ temperature: 0.7, repetitionPenalty: 1.5 }, [3]);
    const before = logits.slice();
    const free = sampler({ temperature: 0.7 }).logprobOf(logits, 5);
    expect(s.logprobOf(logits, 3)).toBeLessThan(sampler({ temperature: 0.7 }).logprobOf(logits, 3));
    expect(s.logprobOf(logits, 5)).toBeGreaterThan(free);
    s.accept(5);
    expect(s.logprobOf(logits, 5)).toBeLessThan(free);
    expect(logits).toEqual(before);
  });
});
