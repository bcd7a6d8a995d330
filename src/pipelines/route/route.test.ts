import { describe, expect, test, vi } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { FLOPS_PER_LOGIT, scoreOptions } from "../scores.ts";
import { Fake } from "./fake.testing.ts";
import { type RoutePiece, type Routing, route } from "./route.ts";

/** Swift's energy is the number in the prompt, within a billionth. */
const swiftOf = () =>
  new Fake("small", (prompt) => {
    const score = Number(prompt);
    return {
      words: ["s1", " s2", " s3"],
      logits: [
        [score, score - 30],
        [score - 1, score - 31],
        [score + 4, score - 26],
      ],
    };
  });
const superOf = () => new Fake("large", () => ({ words: ["L1", " L2"] }), { prompt: 1000, step: 100 });

const routing = (over: Partial<Routing<object>> = {}): Routing<object> => ({
  ...{
    options: {},
    named: { model: "small>large", recipe: ["route:t=5"] },
    scoring: scoreOptions.parse({}),
    threshold: 5,
  },
  ...over,
});

async function answered(pieces: AsyncIterable<RoutePiece>) {
  const all: RoutePiece[] = [];
  for await (const piece of pieces) all.push(piece);
  return { ...all.at(-1)!, text: all.map(({ text }) => text).join(""), pieces: all };
}

const pairOf = () => ({ swift: swiftOf(), super: superOf() });

describe("the decision", () => {
  test("a score at the threshold or above is Swift's", async () => {
    for (const [prompt, text, to] of [
      ["5.000001", "s1 s2 s3", "swift"],
      ["4.999", "L1 L2", "super"],
    ] as const) {
      const answer = await answered(route(pairOf(), prompt, routing()));
      expect(answer.text).toBe(text);
      expect(answer.route).toMatchObject({ to, threshold: 5, model: to === "swift" ? "small" : "large" });
      expect(answer.route!.score).toBeCloseTo(Number(prompt), 3);
    }
  });

  test("comes with the first piece, which Swift has not yielded before", async () => {
    const pair = pairOf();
    const { pieces } = await answered(route(pair, "1", routing()));
    expect(pieces.map(({ route }) => route?.to)).toEqual(["super", "super"]);
    expect(pair.super.prompts).toEqual(["1"]);
    expect(pair.swift.steps).toBe(0);
  });

  test("Swift's stream continues if its answer is chosen: one call, one step at a time", async () => {
    const pair = pairOf();
    const stream = route(pair, "9", routing());
    expect((await stream.next()).value).toMatchObject({ text: "s1", route: { to: "swift" } });
    expect([pair.swift.calls, pair.swift.steps]).toEqual([1, 0]);
    expect((await stream.next()).value).toEqual({ text: " s2", tokens: [{ id: 1 }] });
    expect((await answered(stream)).finishReason).toBe("stop");
    expect([pair.swift.calls, pair.super.calls]).toEqual([1, 0]);
  });

  test.each([
    ["mean", "4", "swift"],
    ["mean", "3.9", "super"],
    ["min", "5.9", "super"],
    ["min", "6.1", "swift"],
    ["q0.5", "5.1", "swift"],
    ["q0.5", "4.9", "super"],
  ])("by %s of the draft at %s goes to %s", async (aggregate, prompt, to) => {
    const pair = pairOf();
    const answer = await answered(route(pair, prompt, routing({ scoring: scoreOptions.parse({ aggregate }) })));
    expect(answer.route!.to).toBe(to);
    expect(pair.swift).toMatchObject({ calls: 1, steps: 2 });
    expect(pair.super.calls).toBe(to === "super" ? 1 : 0);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])(
    "a logit of %d goes to Super, whatever the threshold",
    async (odd) => {
      const swift = new Fake("small", () => ({ words: ["s1"], logits: [[1, odd]] }));
      const answer = await answered(
        route({ swift, super: superOf() }, "x", routing({ threshold: Number.NEGATIVE_INFINITY })),
      );
      expect(answer.route).toEqual({ to: "super", model: "large", score: null, threshold: null });
    },
  );

  test("the same for logits from which Swift can choose no token", async () => {
    const swift = new Fake("small", () => ({
      words: ["s1", "s2"],
      logits: [
        [1, 0],
        [Number.NaN, 1],
      ],
    }));
    swift.fails = { at: 1, how: new Error("the logits are NaN") };
    const generate = swift.generate.bind(swift);
    swift.generate = async function* (prompt, options) {
      options.observe?.(Float32Array.of(Number.NaN, 1));
      yield* generate(prompt, options);
    };
    for (const aggregate of ["first", "min"]) {
      const scoring = scoreOptions.parse({ aggregate });
      const answer = await answered(route({ swift, super: superOf() }, "x", routing({ scoring })));
      expect(answer.route).toMatchObject({ to: "super", score: null });
    }
  });

  test("token ids are refused", async () => {
    await expect(answered(route(pairOf(), [1, 2], routing()))).rejects.toThrow("token ids belong to one model");
  });
});

describe("the ends", () => {
  test("thresholds of -∞ and +∞ are the models alone, piece for piece", async () => {
    for (const [threshold, role] of [
      [Number.NEGATIVE_INFINITY, "swift"],
      [Number.POSITIVE_INFINITY, "super"],
    ] as const) {
      const pair = pairOf();
      const alone = await answered(pair[role].generate("3", {}));
      const routed = await answered(route(pair, "3", routing({ threshold })));
      const bare = (pieces: readonly RoutePiece[]) =>
        pieces.map(({ text, tokens, finishReason }) => ({ text, tokens, finishReason }));
      expect(bare(routed.pieces)).toEqual(bare(alone.pieces));
    }
  });

  test("more inputs go to Super as the threshold rises", async () => {
    const random = seededRandom(1);
    const prompts = Array.from({ length: 40 }, () => String(10 * random()));
    const shares: number[] = [];
    for (const threshold of [-1, 2, 4, 6, 8, 11]) {
      const pair = pairOf();
      for (const prompt of prompts) await answered(route(pair, prompt, routing({ threshold })));
      shares.push(pair.super.calls);
    }
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect([shares[0], shares.at(-1)]).toEqual([0, 40]);
  });
});

describe("the receipt", () => {
  test("counts the calls: Super's are those that were escalated, FLOPs Swift's on all and Super's on those", async () => {
    const random = seededRandom(2);
    const prompts = Array.from({ length: 50 }, () => String(10 * random()));
    const pair = pairOf();
    const escalated = prompts.filter((prompt) => Number(prompt) < 5).length;
    let [spent, drafts] = [0, 0];
    for (const prompt of prompts) {
      const { receipt, route: to } = await answered(route(pair, prompt, routing()));
      spent += receipt!.flops.spent;
      if (to!.to === "swift") drafts++;
      expect(receipt!.work!.calls).toEqual({
        small: { dense: 0, run: 1 },
        large: { dense: 1, run: to!.to === "super" ? 1 : 0 },
      });
    }
    expect(pair.super.calls).toBe(escalated);
    expect(drafts).toBe(50 - escalated);
    // Swift decodes beyond its first token only if its answer is chosen.
    expect(pair.swift.steps).toBe(2 * drafts);
    expect(spent).toBe(50 * 100 + drafts * 20 + escalated * 1100 + 50 * 2 * FLOPS_PER_LOGIT);
  });

  test("of Super's answer: dense is what it ran, Swift and its scoring are overhead", async () => {
    const { receipt } = await answered(route(pairOf(), "1", routing()));
    expect(receipt).toMatchObject({
      ...{ model: "small>large", recipe: ["route:t=5"], estimated: false },
      tokens: { prompt: 5, completion: 2 },
      flops: { dense: 1100, spent: 1208, overhead: 108, saved: 1 - 1208 / 1100 },
    });
  });

  test("of Swift's answer: dense is Super's price for it, estimated", async () => {
    const { receipt } = await answered(route(pairOf(), "9", routing()));
    expect(receipt).toMatchObject({
      estimated: true,
      tokens: { completion: 3 },
      flops: { dense: 1200, spent: 128, overhead: 8 },
    });
  });

  test("a reader that leaves is billed for what ran", async () => {
    const onStopped = vi.fn();
    for await (const _ of route(pairOf(), "9", routing({ onStopped }))) break;
    expect(onStopped).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ flops: expect.objectContaining({ spent: 108 }) }),
    );
  });

  test("a stopped answer is billed for both models", async () => {
    const onStopped = vi.fn();
    const stop = new AbortController();
    const run = async () => {
      for await (const _ of route(pairOf(), "1", routing({ onStopped, signal: stop.signal }))) stop.abort();
    };
    await expect(run()).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    expect(onStopped.mock.calls[0]![0].flops.spent).toBe(1108);
  });
});

describe("a failing Super", () => {
  test.each([["first"], ["min"]])("is replaced by Swift's answer (%s)", async (aggregate) => {
    const pair = pairOf();
    pair.super.fails = { at: 0, how: new Error("out of order") };
    const why = vi.fn();
    const scoring = scoreOptions.parse({ aggregate });
    const answer = await answered(route(pair, "1", routing({ scoring, onDegraded: why })));
    expect(answer.text).toBe("s1 s2 s3");
    expect(answer.route).toMatchObject({ to: "swift", degraded: true });
    expect(why).toHaveBeenCalledExactlyOnceWith("out of order");
    // A whole draft is reused; after a first token, the draft runs again.
    expect(answer.receipt!.work!.calls).toMatchObject({
      small: { run: aggregate === "first" ? 2 : 1 },
      large: { run: 1 },
    });
  });

  test("that does not begin in time is also replaced", async () => {
    const pair = pairOf();
    pair.super.fails = { at: 0, how: "hangs" };
    const answer = await answered(route(pair, "1", routing({ timeout: 50 })));
    expect(answer.route).toMatchObject({ to: "swift", degraded: true });
  });

  test("that fails after its first piece fails the stream; a whole answer is Swift's", async () => {
    const pair = pairOf();
    pair.super.fails = { at: 1, how: new Error("broke off") };
    await expect(answered(route(pair, "1", routing()))).rejects.toThrow("broke off");
    const answer = await answered(route(pair, "1", routing({ whole: true })));
    expect(answer.route).toMatchObject({ to: "swift", degraded: true });
    expect(answer.receipt!.flops.spent).toBe(100 + 8 + 1000 + 120);
  });

  test("is not reported if a signal stops the request", async () => {
    const pair = pairOf();
    pair.super.fails = { at: 0, how: "hangs" };
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20);
    await expect(answered(route(pair, "1", routing({ timeout: 10_000, signal: stop.signal })))).rejects.toThrow(
      "aborted",
    );
  });
});

test("an error of Swift's reaches the caller", async () => {
  const pair = pairOf();
  pair.swift.fails = { at: 0, how: new Error("the prompt is empty") };
  await expect(answered(route(pair, "1", routing()))).rejects.toThrow("the prompt is empty");
  expect(pair.super.calls).toBe(0);
});

describe("under a certificate", () => {
  const guarantee = { risk: 0.05, confidence: 0.95, loss: "harm", certificate: "mine" } as const;
  const named = (recipe: readonly string[]) => ({ model: "small>large", recipe, choice: { recipe, guarantee } });

  test("Super alone is dense: Swift is not called, and nothing is scored", async () => {
    const pair = pairOf();
    const { text, route: to, receipt } = await answered(route(pair, "9", routing({ named: named([]), alone: true })));
    expect([text, pair.swift.calls, pair.super.calls]).toEqual(["L1 L2", 0, 1]);
    expect(to).toMatchObject({ to: "super", score: null });
    expect(receipt).toMatchObject({ recipe: [], guarantee, flops: { dense: 1100, spent: 1100, overhead: 0 } });
  });

  test("the receipt has the guarantee, also for a stopped request", async () => {
    const onStopped = vi.fn();
    const { receipt } = await answered(route(pairOf(), "9", routing({ named: named(["route:t=5"]) })));
    expect(receipt).toMatchObject({ recipe: ["route:t=5"], guarantee });
    const generator = route(pairOf(), "9", routing({ named: named(["route:t=5"]), onStopped }));
    await generator.next();
    await generator.return();
    expect(onStopped.mock.calls[0]![0]).toMatchObject({ guarantee });
  });

  test("Swift's answer after Super failed has none, and a receipt that says so", async () => {
    for (const alone of [false, true]) {
      const pair = pairOf();
      pair.super.fails = { at: 0, how: new Error("out of memory") };
      const { text, receipt } = await answered(route(pair, "1", routing({ named: named([]), alone, whole: true })));
      expect(text).toBe("s1 s2 s3");
      expect(receipt).toMatchObject({ guarantee: null, unguaranteed: "degraded" });
    }
  });
});
