import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { load, type Model } from "../../index.ts";
import { stoppedClock } from "../../util/clock.testing.ts";
import { seededRandom } from "../../util/random.ts";
import { type GenerateInput, generate, generateOptions, type Piece, type Usage } from "../decode/answer/generate.ts";
import { Sequence } from "../decode/answer/sequence.ts";
import { Constraint, grammarOf, LazyGrammar } from "../decode/grammar/index.ts";
import { texts } from "../decode/run/batch.testing.ts";
import { tokenLogits } from "../decode/run/stepped.ts";
import { Refused } from "./refused.ts";
import { Scheduler, type SchedulerOptions, schedulerOptions } from "./scheduler.ts";
import type { Job } from "./ticket.ts";

const file = fileURLToPath(new URL("../../models/fixtures/llama-tiny.gguf", import.meta.url));
let model: Model;
/** No answer ends before its maxTokens. */
let endless: NonNullable<GenerateInput["logitBias"]>;
beforeAll(async () => {
  model = await load(file);
  endless = Object.fromEntries([...model.language.tokenizer.stopIds].map((id) => [id, -100]));
  return () => model.dispose();
});
afterEach(() => void vi.restoreAllMocks());

const random = seededRandom(11);
const later = () => new Promise((resolve) => setImmediate(resolve));

const scheduler = (options: Partial<SchedulerOptions> = {}) =>
  new Scheduler(model.language.engine, model.language.tokenizer, schedulerOptions.parse(options));

const job = (prompt: readonly number[], maxTokens: number, more: Partial<Job> = {}): Job => {
  const options = generateOptions.parse({ maxTokens, temperature: 1, seed: prompt[0], logitBias: endless });
  return { prompt, options, ...more };
};

async function read(stream: AsyncIterable<Piece>): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

const finishOf = (pieces: readonly Piece[]) => pieces.at(-1)!.finish!;
const tokensOf = (pieces: readonly Piece[]) => pieces.flatMap((p) => p.tokens.map((t) => t.id));
const untimed = ({ ms: _, arrived: __, ...usage }: Usage) => usage;

/** The logits that each sequence samples from, by its prompt. */
function recorded(): Map<string, Float32Array[]> {
  const seen = new Map<string, Float32Array[]>();
  const prompts = new Map<Sequence, string>();
  const take = Sequence.prototype.take;
  vi.spyOn(Sequence.prototype, "take").mockImplementation(function (this: Sequence, outcome) {
    const prompt = prompts.get(this) ?? this.slot.tokens.join();
    prompts.set(this, prompt);
    seen.set(prompt, [...(seen.get(prompt) ?? []), tokenLogits(outcome).slice()]);
    return take.call(this, outcome);
  });
  return seen;
}

function worst(got: readonly Float32Array[], wanted: readonly Float32Array[]): number {
  expect(got.length).toBe(wanted.length);
  const gaps = got.flatMap((row, r) => [...row].map((v, i) => Math.abs(v - wanted[r]![i]!)));
  return gaps.reduce((a, b) => (Number.isNaN(b) ? Number.POSITIVE_INFINITY : Math.max(a, b)), 0);
}

const SPARSE = "xattention:threshold=0.3,blockSize=8,stride=4,minLengthForSparse=70";

describe("requests that come and go at any step", () => {
  test.each([{ save: [] }, { save: [SPARSE] }])(
    "logits, text and bill of each are those that it has alone: %j",
    async ({ save }) => {
      using own = await load(file, { save });
      const { engine, tokenizer, recipes } = own.language;
      using recipe = await recipes.use(own.recipe);
      const ids = (n: number) => Array.from({ length: n }, () => 3 + Math.floor(random() * 60));
      // Every fourth prompt is long enough for the saving, which reads it in two chunks.
      const jobs = texts(24, 64, 60, 1).map(({ prompt }, i) =>
        job([...prompt, ...(i % 4 === 0 ? ids(130) : [])], 1 + ((i * 7) % 30)),
      );
      const wanted = recorded();
      const alone: Piece[][] = [];
      for (const { prompt, options } of jobs) {
        engine.forget();
        alone.push(await read(generate(engine, tokenizer, prompt, options, { plan: recipe.plan(prompt.length) })));
      }
      vi.restoreAllMocks();
      engine.forget();
      const got = recorded();
      const many = new Scheduler(engine, tokenizer, schedulerOptions.parse({ rows: 6 }));
      const sometime = async () => {
        for (let wait = random() * 200; wait > 0; wait--) await later();
      };
      const answers = jobs.map(async (one) => {
        await sometime();
        return read(many.submit({ ...one, plan: recipe.plan(one.prompt.length) }));
      });
      const leaving = texts(8, 64, 20, 1).map(async ({ prompt }, i) => {
        await sometime();
        for await (const _ of many.submit(job([50 + i, ...prompt], 100))) if (random() < 0.2) break;
      });
      await Promise.all(leaving);
      for (const [i, pieces] of (await Promise.all(answers)).entries()) {
        const prompt = jobs[i]!.prompt.join();
        expect(worst(got.get(prompt)!, wanted.get(prompt)!)).toBeLessThan(1e-4);
        expect(tokensOf(pieces)).toEqual(tokensOf(alone[i]!));
        expect(textOf(pieces)).toBe(textOf(alone[i]!));
        expect(untimed(finishOf(pieces).usage)).toEqual(untimed(finishOf(alone[i]!).usage));
      }
      const saved = finishOf(alone[0]!).usage;
      expect("blocks" in saved.work).toBe(save.length > 0);
      expect([many.running, many.waiting]).toEqual([0, 0]);
    },
  );

  test("a running answer gets a token after each chunk of others' prompts, short ones of which go together", async () => {
    using own = await load(file, { save: [SPARSE] });
    const { engine, tokenizer, recipes } = own.language;
    using recipe = await recipes.use(own.recipe);
    const planned = (prompt: readonly number[], most: number) =>
      job(prompt, most, { plan: recipe.plan(prompt.length) });
    const events: string[] = [];
    const { stepAll } = engine;
    vi.spyOn(engine, "stepAll").mockImplementation((steps) => {
      events.push("step");
      return stepAll.call(engine, steps);
    });
    const advance = Sequence.prototype.advance;
    vi.spyOn(Sequence.prototype, "advance").mockImplementation(function (this: Sequence) {
      events.push(`${Math.min(128, this.left)}`);
      return advance.call(this);
    });
    const many = new Scheduler(engine, tokenizer, schedulerOptions.parse({}));
    const answer = read(many.submit(planned([1], 30)));
    while (events.length < 5) await later();
    const others = [200, 40, 50, 130].map((length, i) => read(many.submit(planned(line(i, length), 1))));
    await Promise.all([answer, ...others]);
    // At most 256 tokens a turn, the shortest prompts first; the saving's chunks have 128.
    expect(events.join(" ").replace(/( step)+/g, " step")).toBe("1 step 40 50 128 step 2 128 step 72 step");
  });

  test("a running answer delivers a token before each compilation of a schema, and before its masks", async () => {
    const events: string[] = [];
    const { compile } = LazyGrammar.prototype;
    vi.spyOn(LazyGrammar.prototype, "compile").mockImplementation(function (this: LazyGrammar) {
      if (!this.compiled) events.push("compile");
      return compile.call(this);
    });
    const { restrict } = Constraint.prototype;
    vi.spyOn(Constraint.prototype, "restrict").mockImplementation(function (this: Constraint, logits) {
      events.push("mask");
      restrict.call(this, logits);
    });
    const { stepAll } = model.language.engine;
    vi.spyOn(model.language.engine, "stepAll").mockImplementation((steps) => {
      events.push("step");
      return stepAll.call(model.language.engine, steps);
    });
    const many = scheduler({ rows: 7 });
    const stop = new AbortController();
    const running = (async () => {
      for await (const _ of many.submit(job([1], 250, { signal: stop.signal }))) {
        // The server writes a token to its client in a few steps, without waiting for the event loop.
        for (let step = 0; step < 50; step++) await undefined;
        events.push("token");
      }
    })();
    while (!events.includes("token")) await later();
    events.push("requests");
    const held = async (format: RegExp) => {
      const { options, ...request } = job([2], 3);
      const grammar = await grammarOf(format, model.language.tokenizer);
      return await read(many.submit({ ...request, options: { ...options, grammar } }));
    };
    const answers = await Promise.all(["a", "b", "c", "d", "e"].map((c) => held(new RegExp(`(${c}|[x-z]){9}`))));
    await expect(held(/a(?<!b)/)).rejects.toThrow("pattern");
    stop.abort();
    await expect(running).rejects.toThrow("aborted");
    for (const pieces of answers) expect(tokensOf(pieces)).toHaveLength(3);
    const order = events.slice(events.indexOf("requests") + 1).join(" ");
    expect(order.match(/compile/g)).toHaveLength(6);
    expect(order).toMatch(/^(step )?token/);
    expect(order).not.toMatch(/compile ((mask|step) )*compile/);
    expect(order).not.toMatch(/step mask/);
  });
});

const line = (first: number, length: number) => Array.from({ length }, (_, t) => 3 + ((first * 13 + t * 7) % 60));
const textOf = (pieces: readonly Piece[]) => pieces.map((p) => p.text).join("");

test("requests of one moment share what they begin with: it runs once", async () => {
  model.language.engine.forget();
  const system = line(1, 80);
  const many = scheduler();
  const answers = [0, 1, 2, 3].map((i) => read(many.submit(job([...system, 20 + i, 5], 3))));
  const cached = (await Promise.all(answers)).map((pieces) => finishOf(pieces).usage.tokens.cached);
  expect(cached).toEqual([0, 80, 80, 80]);
});

describe("the queue", () => {
  test("keys take turns, however many wait under one", async () => {
    const begun: string[] = [];
    const many = scheduler({ rows: 2 });
    const keys = ["a", "a", "a", "a", "a", "b", "c", "b"];
    const answers = keys.map((key, i) =>
      read(many.submit(job([i + 3, 4], 2, { key, onBegun: () => void begun.push(key) }))),
    );
    await Promise.all(answers);
    expect(begun.slice(0, 5).sort()).toEqual(["a", "a", "b", "b", "c"]);
    expect(begun.slice(0, 3).sort()).toEqual(["a", "b", "c"]);
  });

  test("full, it refuses and says when to come back; who has most waiting makes room for others", async () => {
    const many = scheduler({ rows: 1, queue: 2 });
    const first = [0, 1, 2].map((i) => read(many.submit(job([i + 3, 4], 4, { key: "a" }))));
    expect(() => many.submit(job([9], 1, { key: "a" }))).toThrow(Refused);
    const other = read(many.submit(job([9], 1, { key: "b" })));
    await expect(first[2]).rejects.toMatchObject({ name: "Refused", reason: "full" });
    const error = await first[2]!.catch((e: Refused) => e);
    expect((error as Refused).retryAfter).toBeGreaterThanOrEqual(1);
    expect(tokensOf(await other)).toHaveLength(1);
    expect(tokensOf(await first[1]!)).toHaveLength(4);
  });
});

describe("an answer ends", () => {
  const bills: Usage[] = [];
  const onStopped = (usage: Usage) => void bills.push(usage);

  test("by its signal within one step: its row is free, its bill told, others go on", async () => {
    bills.length = 0;
    const many = scheduler({ rows: 2 });
    const stop = new AbortController();
    const other = read(many.submit(job([5, 6], 40)));
    const pieces: Piece[] = [];
    const run = async () => {
      for await (const piece of many.submit(job([7, 8], 200, { signal: stop.signal, onStopped }))) {
        pieces.push(piece);
        if (pieces.length === 5) stop.abort();
      }
    };
    await expect(run()).rejects.toMatchObject({ name: "AbortError" });
    expect(pieces.length).toBeLessThanOrEqual(6);
    expect(bills.map((bill) => bill.tokens.completion)).toEqual([pieces.length]);
    expect(many.running).toBe(1);
    expect(tokensOf(await other)).toHaveLength(40);
    expect(model.language.engine.slots.busy).toBe(false);
  });

  test("by its signal while it waits: nothing was spent, and no bill is told", async () => {
    bills.length = 0;
    const many = scheduler({ rows: 1 });
    const first = read(many.submit(job([5, 6], 20)));
    const stop = new AbortController();
    const waiting = read(many.submit(job([7], 5, { signal: stop.signal, onStopped })));
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
    expect(many.running).toBe(1);
    await first;
    expect(bills).toEqual([]);
  });

  test("at its deadline with what it has; before it began, it is refused", async () => {
    const many = scheduler({ rows: 1 });
    const begun = { ...job([5, 6], 200), deadline: Number.POSITIVE_INFINITY };
    const running = many.submit(begun)[Symbol.asyncIterator]();
    const waiting = read(many.submit(job([7], 5, { deadline: performance.now() + 1 })));
    const pieces = [(await running.next()).value!];
    await expect(waiting).rejects.toMatchObject({ name: "Refused", reason: "deadline" });
    // Set now, because a fast machine would finish before a deadline set in advance.
    begun.deadline = performance.now();
    pieces.push(...(await read({ [Symbol.asyncIterator]: () => running })));
    const { reason, cut, usage } = finishOf(pieces);
    expect({ reason, cut }).toEqual({ reason: "length", cut: "deadline" });
    expect(usage.tokens.completion).toBe(tokensOf(pieces).length);
    expect(usage.tokens.completion).toBeGreaterThan(0);
  });

  test.each([
    [{ tokens: 4 }, 9, 4, "tokens"],
    [{ tokens: 9 }, 4, 4, undefined],
    [{ tokens: 4 }, 4, 4, undefined],
    [{ flops: 1 }, 4, 0, "flops"],
  ])("under the ceiling %j, asked for %i tokens: %i, cut by %s", async (ceiling, maxTokens, tokens, cut) => {
    using own = await load(file, { save: [SPARSE] });
    const { engine, tokenizer, recipes } = own.language;
    using recipe = await recipes.use(own.recipe);
    const many = new Scheduler(engine, tokenizer, schedulerOptions.parse({}));
    const pieces = await read(many.submit(job(line(3, 150), maxTokens, { ceiling, plan: recipe.plan(150) })));
    expect(tokensOf(pieces)).toHaveLength(tokens);
    expect(finishOf(pieces)).toMatchObject({ reason: "length" });
    expect(finishOf(pieces).cut).toBe(cut);
  });

  test("at a ceiling of FLOPs, passed by one step at most", async () => {
    const flops = async (ceiling?: number) => {
      model.language.engine.forget();
      const pieces = await read(scheduler().submit(job([5, 6, 7], 20, { ceiling: { flops: ceiling } })));
      return { tokens: tokensOf(pieces).length, spent: finishOf(pieces).usage.flops.spent };
    };
    const whole = await flops();
    const half = await flops(whole.spent / 2);
    expect(whole.tokens).toBe(20);
    expect(half.tokens).toBeLessThan(12);
    expect(half.spent).toBeGreaterThanOrEqual(whole.spent / 2);
    expect(half.spent - whole.spent / 2).toBeLessThan(whole.spent / 15);
  });

  test("by its own mistake, alone", async () => {
    const many = scheduler();
    const good = read(many.submit(job([5, 6], 10)));
    const bad = job([7], 5);
    const wrong = read(many.submit({ ...bad, options: { ...bad.options, logitBias: { 99999: 1 } } }));
    await expect(wrong).rejects.toThrow("logitBias names token 99999");
    expect(tokensOf(await good)).toHaveLength(10);
  });

  test("and who is told its bill may fail, alone", async () => {
    const many = scheduler();
    const good = read(many.submit(job([5, 6], 10)));
    const onStopped = () => {
      throw new Error("no room for bills");
    };
    const stop = new AbortController();
    const run = async () => {
      for await (const _ of many.submit(job([7], 200, { signal: stop.signal, onStopped }))) stop.abort();
    };
    await expect(run()).rejects.toThrow("no room for bills");
    expect(tokensOf(await good)).toHaveLength(10);
    expect(tokensOf(await read(many.submit(job([8], 3))))).toHaveLength(3);
  });
});

test("closing: no more are taken; what has come may end by itself, or as it is when the time is up", async () => {
  const many = scheduler({ rows: 1 });
  const short = read(many.submit(job([5, 6], 3)));
  const long = many.submit(job([7, 8], 250 - 2))[Symbol.asyncIterator]();
  const waiting = read(many.submit(job([9], 5)));
  await short;
  await long.next();
  const closed = many.close(60_000);
  expect(() => many.submit(job([9], 1))).toThrow(expect.objectContaining({ reason: "closing" }));
  const now = performance.now();
  vi.spyOn(performance, "now").mockReturnValue(now + 60_001);
  await closed;
  expect(finishOf(await short).cut).toBeUndefined();
  expect(finishOf(await read({ [Symbol.asyncIterator]: () => long }))).toMatchObject({
    reason: "length",
    cut: "closing",
  });
  await expect(waiting).rejects.toMatchObject({ reason: "closing" });
  expect(many.running).toBe(0);
});

test("a request that waits behind another has that time as queue, and its own as prefill and decode", async () => {
  const clock = stoppedClock();
  const take = Sequence.prototype.take;
  vi.spyOn(Sequence.prototype, "take").mockImplementation(function (this: Sequence, outcome) {
    clock.advance(1000);
    return take.call(this, outcome);
  });
  const one = scheduler({ rows: 1 });
  const prompts = texts(2, 60, 5, 3).map(({ prompt }) => prompt);
  const got = await Promise.all(prompts.map((prompt) => read(one.submit(job(prompt, 4)))));
  const [first, second] = got.map((pieces) => finishOf(pieces).usage.ms);
  expect(first).toEqual({ queue: 0, encode: 0, prefill: 0, decode: 4000 });
  expect(second).toEqual({ queue: 4000, encode: 0, prefill: 0, decode: 4000 });
});
