import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import OpenAI, { RateLimitError } from "openai";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { registerRecipe } from "../../savings/registered.ts";
import { jsonOf, serveModels, type Testing, TINY } from "../serve.testing.ts";
import { Rates } from "./rates.ts";
import type { Key } from "./store.ts";
import { checkRecipe, type Terms, termsSchema } from "./terms.ts";

const SPARSE = "xattention:threshold=0.3,blockSize=8,stride=4,minLengthForSparse=70";
const OTHER = SPARSE.replace("0.3", "0.5");
const home = mkdtempSync(path.join(tmpdir(), "modicum-home-"));
let server: Testing;
let ops: string;
beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", home);
  const evidence = { file: "x", sha256: "", task: "t", metric: "m", quality: 1, delta: 0, flops_saved: 0.1 };
  const entry = { model: "tiny", evidence, recipe: [OTHER], created: new Date().toISOString() };
  for (const name of ["tiny@fast", "other@fast"]) await registerRecipe(name, entry);
  server = await serveModels(TINY.slice(0, 2));
  ops = (await server.keys.create("ops", ["admin"])).secret;
});
afterAll(async () => {
  await server.stop(0);
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

let keys = 0;
const keyWith = async (terms: Partial<Terms>) =>
  (await server.keys.create(`k${++keys}`, ["infer"], termsSchema.parse(terms))).secret;

const base = { model: "tiny", prompt: "abc", max_tokens: 8, temperature: 0 };
function ask(secret: string, body: object = {}, at = "/v1/completions"): Promise<Response> {
  const headers = { authorization: `Bearer ${secret}`, "content-type": "application/json" };
  return fetch(server.url + at, { method: "POST", headers, body: JSON.stringify({ ...base, ...body }) });
}

describe("ceilings", () => {
  const ended = async (terms: Partial<Terms>, body: object = {}) => {
    const { choices, receipt } = await jsonOf(ask(await keyWith(terms), body));
    return { reason: choices[0].finish_reason, cut: receipt.cut, tokens: receipt.tokens.completion, receipt };
  };

  test("of tokens end an answer, which says so, whole and streamed", async () => {
    expect(await ended({ maxTokens: 3 })).toMatchObject({ reason: "length", cut: "tokens", tokens: 3 });
    expect((await ended({ maxTokens: 3 }, { max_tokens: 3 })).cut).toBeUndefined();
    expect(await ended({ maxTokens: 30 })).toMatchObject({ reason: "length", tokens: 8 });
    const text = await (await ask(await keyWith({ maxTokens: 3 }), { stream: true })).text();
    expect(JSON.parse(text.trimEnd().split("\n\n").at(-2)!.slice(6))).toMatchObject({
      choices: [{ finish_reason: "length" }],
      receipt: { cut: "tokens", tokens: { completion: 3 } },
    });
  });

  test("of FLOPs end an answer at the step that exceeds them: the key's or the request's, whichever is lower", async () => {
    const { receipt: free } = await ended({}, { max_tokens: 40 });
    expect(free.tokens.completion).toBe(40);
    const half = free.flops.spent / 2;
    const step = free.flops.spent / 30;
    for (const [key, own] of [
      [half, undefined],
      [1e18, half],
      [half, 1e18],
      [undefined, half],
    ] as const) {
      const it = await ended({ maxFlops: key }, { max_tokens: 40, ...(own && { max_flops: own }) });
      expect(it).toMatchObject({ reason: "length", cut: "flops" });
      // The cached part of the prompt costs nothing.
      expect(it.receipt.flops.spent).toBeGreaterThanOrEqual(half);
      expect(it.receipt.flops.spent).toBeLessThan(half + step);
    }
  });

  test("of FLOPs apply to a request: several answers share them", async () => {
    const { receipt: free } = await ended({}, { max_tokens: 40 });
    const { receipt } = await ended({ maxFlops: free.flops.spent }, { max_tokens: 40, n: 4, seed: 1, temperature: 1 });
    expect(receipt.cut).toBe("flops");
    expect(receipt.flops.spent).toBeLessThan(1.3 * free.flops.spent);
  });

  test.each([
    ["/v1/embeddings", { model: "sentences", input: ["a b c", "d e"] }],
    ["/v1/rerank", { model: "sentences", query: "a", documents: ["a b c", "d e"] }],
    ["/v2/rerank", { model: "sentences", query: "a", documents: ["a b c", "d e"] }],
    ["/v1/classify", { model: "tiny", input: "a b c", labels: ["d", "e"] }],
  ])("of FLOPs refuse input to %s that costs more, before it runs", async (at, body) => {
    const listed = async () => {
      const headers = { authorization: `Bearer ${ops}` };
      return (await jsonOf(fetch(`${server.url}/v1/receipts`, { headers }))).sum.receipts;
    };
    const free = await jsonOf(ask(await keyWith({}), body, at));
    const { dense } = free.receipt.flops;
    const before = await listed();
    for (const [key, own] of [
      [dense / 2, undefined],
      [1e18, dense / 2],
      [dense / 2, 1e18],
    ] as const) {
      const refused = await ask(await keyWith({ maxFlops: key }), { ...body, ...(own && { max_flops: own }) }, at);
      const { error } = await jsonOf(refused);
      const sentence = /^given their lengths, the texts cost (\S+) FLOPs, and the ceiling is (\S+)$/.exec(
        error.message,
      );
      expect([refused.status, Number(sentence?.[1]) > dense / 2, sentence?.[2]]).toEqual([
        400,
        true,
        (dense / 2).toExponential(3),
      ]);
    }
    expect(await listed()).toBe(before);
    expect((await ask(await keyWith({ maxFlops: 100 * dense }), body, at)).status).toBe(200);
  });

  test.each([0, -1, "1e9"])("max_flops of %j is refused", async (most) => {
    const response = await ask(await keyWith({}), { max_flops: most });
    expect([response.status, (await jsonOf(response)).error.param]).toEqual([400, "max_flops"]);
  });
});

describe("a key's recipe", () => {
  const recipeOf = async (recipe: string[], body: object = {}) =>
    (await jsonOf(ask(await keyWith({ recipe }), { max_tokens: 1, ...body }))).receipt.recipe;

  test("applies to requests that name none; a request's own savings or recipe replace it", async () => {
    expect(await recipeOf([SPARSE])).toEqual([SPARSE]);
    expect(await recipeOf(["tiny@fast", "other@fast"])).toEqual([OTHER]);
    expect(await recipeOf(["other@fast", SPARSE])).toEqual([SPARSE]);
    expect(await recipeOf(["other@fast"])).toEqual([]);
    expect(await recipeOf([SPARSE], { savings: [] })).toEqual([]);
    expect(await recipeOf([SPARSE], { savings: null })).toEqual([SPARSE]);
    expect(await recipeOf([SPARSE], { savings: [OTHER] })).toEqual([OTHER]);
    expect(await recipeOf([SPARSE], { model: "tiny@fast" })).toEqual([OTHER]);
  });

  test.each([
    [["xattentoin"], /did you mean "xattention"/],
    [["xattention:treshold=1"], /there is no option "treshold"/],
    [["tiny@fats"], /did you mean "tiny@fast"/],
  ])("that names something unknown, %j, is refused in one sentence", async (recipe, sentence) => {
    await expect(checkRecipe(termsSchema.parse({ recipe }))).rejects.toThrow(sentence);
    await checkRecipe(termsSchema.parse({ recipe: ["tiny@fast", SPARSE, "dense"] }));
  });
});

describe("rates", () => {
  const named = (response: Response, what: string) =>
    ["limit", "remaining", "reset"].map((part) => response.headers.get(`x-ratelimit-${part}-${what}`));

  beforeEach(() => {
    const now = performance.now();
    vi.spyOn(performance, "now").mockReturnValue(now);
  });
  afterEach(() => void vi.restoreAllMocks());

  test("of requests: the rest is reported, and beyond it 429 with a time to retry; other keys are unaffected", async () => {
    const secret = await keyWith({ requestsPerMinute: 2 });
    const [first, second, third] = [await ask(secret), await ask(secret), await ask(secret)];
    expect([first.status, second.status, third.status]).toEqual([200, 200, 429]);
    expect(named(first, "requests").slice(0, 2)).toEqual(["2", "1"]);
    expect(named(second, "requests")).toEqual(["2", "0", "60s"]);
    expect(third.headers.get("retry-after")).toBe("30");
    expect((await jsonOf(third)).error).toMatchObject({ type: "rate_limit_error", code: "rate_limit_exceeded" });
    expect((await ask(await keyWith({ requestsPerMinute: 2 }))).status).toBe(200);
    const listed = await fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } });
    expect(listed.status).toBe(200);
  });

  test("of tokens: computed tokens of answers and embeddings count, also in streams", async () => {
    for (const body of [{}, { stream: true }]) {
      const secret = await keyWith({ tokensPerMinute: 9 });
      const first = await ask(secret, body);
      expect(named(first, "tokens").slice(0, 2)).toEqual(["9", "9"]);
      await first.text();
      const second = await ask(secret, body);
      expect([second.status, named(second, "tokens")[1]]).toEqual([429, "0"]);
    }
    const secret = await keyWith({ tokensPerMinute: 3 });
    expect((await ask(secret, { model: "sentences", input: "a b c d e" }, "/v1/embeddings")).status).toBe(200);
    expect((await ask(secret, { model: "sentences", input: "a" }, "/v1/embeddings")).status).toBe(429);
  });

  test("raise OpenAI's client's own error", async () => {
    const client = new OpenAI({
      baseURL: `${server.url}/v1`,
      apiKey: await keyWith({ requestsPerMinute: 1 }),
      maxRetries: 0,
    });
    await client.completions.create({ ...base });
    const refused = client.completions.create({ ...base });
    await expect(refused).rejects.toThrow(RateLimitError);
    await expect(refused).rejects.toThrow("rate limit of 1 requests per minute reached");
  });

  describe("over time", () => {
    afterEach(() => void vi.useRealTimers());
    const key = (terms: Partial<Terms>) => ({ id: "k", terms: termsSchema.parse(terms) }) as Key;

    test("fill evenly, to a minute's worth; an overdraft is waited for", () => {
      vi.useFakeTimers({ toFake: ["performance"] });
      const rates = new Rates();
      const it = key({ requestsPerMinute: 6, tokensPerMinute: 600 });
      const allowed = () => {
        let count = 0;
        try {
          for (;;) if (rates.enter(it)) count++;
        } catch {
          return count;
        }
      };
      expect(allowed()).toBe(6);
      vi.advanceTimersByTime(20_000);
      expect(allowed()).toBe(2);
      vi.advanceTimersByTime(600_000);
      expect(allowed()).toBe(6);
      vi.advanceTimersByTime(600_000);
      rates.charge(it, 1200);
      vi.advanceTimersByTime(59_000);
      expect(allowed()).toBe(0);
      vi.advanceTimersByTime(1_200);
      expect(allowed()).toBe(6);
    });

    test("below one per minute let one through, then none until there is a whole one", () => {
      vi.useFakeTimers({ toFake: ["performance"] });
      const rates = new Rates();
      const it = key({ requestsPerMinute: 0.5 });
      rates.enter(it);
      expect(() => rates.enter(it)).toThrow("try again in 120 s");
    });
  });
});
