import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openPipeline } from "../../index.ts";
import { receiptSchema } from "../../ledger/receipt.ts";
import { remoteFromText } from "../fleet/file.ts";
import { bigAt, startVllm, withoutEnd } from "../fleet/vllm.testing.ts";
import { termsSchema } from "../keys/terms.ts";
import { limitOptions } from "../limits.ts";
import { jsonOf, post, serveModels, type Testing, TINY, tinyWithTemplate } from "../serve.testing.ts";

const gguf = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}.gguf`, import.meta.url));
const UNTIED = `untied=${gguf("llama-tiny-untied")}`;
const [SWIFT, SUPER, PAIR] = ["-inf", "inf", "0"].map((t) => `tiny>untied@t=${t}`) as [string, string, string];

const home = mkdtempSync(path.join(tmpdir(), "modicum-home-"));
let server: Testing;
let [swift, strong]: { text: string; spent: number; dense: number }[] = [];
beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", home);
  server = await serveModels([...TINY.slice(0, 2), UNTIED, PAIR, `again=${gguf("llama-tiny")}`]);
  // The second request finds its prompt in the cache, as all later requests do.
  for (let times = 0; times < 2; times++) [swift, strong] = await Promise.all(["tiny", "untied"].map(alone));
});
afterAll(async () => {
  await server.stop(0);
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

const base = { prompt: "Once upon a time", max_tokens: 6, temperature: 0 };
const ask = (model: string, more: object = {}, path = "/v1/completions") =>
  post(server, path, { ...base, model, ...more });

async function alone(model: string) {
  const { choices, receipt } = await jsonOf(ask(model));
  return { text: choices[0].text, spent: receipt.flops.spent, dense: receipt.flops.dense };
}

/** A stream's events. */
async function eventsOf(response: Response | Promise<Response>) {
  const lines = (await (await response).text()).trimEnd().split("\n\n");
  expect(lines.at(-1)).toBe("data: [DONE]");
  return lines.slice(0, -1).map((line) => JSON.parse(line.slice(6)));
}

async function refusal(response: Promise<Response>): Promise<[status: number, message: string]> {
  const refused = await response;
  return [refused.status, (await jsonOf(refused)).error.message];
}

describe("a pair of models behind one name", () => {
  test("answers as Swift alone, and says so; dense is Super's price", async () => {
    const { model, choices, route, receipt } = await jsonOf(ask(SWIFT));
    expect([model, choices[0].text]).toEqual([SWIFT, swift!.text]);
    expect(route).toEqual({ to: "swift", model: "tiny", score: expect.any(Number), threshold: null });
    expect(receiptSchema.parse(receipt)).toMatchObject({
      ...{ model: "tiny>untied", recipe: ["route:t=-inf"], estimated: true },
      work: { calls: { tiny: { dense: 0, run: 1 }, untied: { dense: 1, run: 0 } } },
    });
    expect(receipt.flops.spent - swift!.spent).toBeLessThan(0.01 * swift!.spent);
    // Dense FLOPs assume that Super answers with the prompt cached; the answers' lengths differ, hence the tolerance.
    expect(receipt.flops.dense).toBeGreaterThan(0.5 * strong!.dense);
    expect(receipt.flops.dense).toBeLessThan(2 * strong!.dense);
  });

  test("answers as Super alone, and bills both", async () => {
    const { choices, route, receipt } = await jsonOf(ask(SUPER));
    expect(choices[0].text).toBe(strong!.text);
    expect(route).toMatchObject({ to: "super", model: "untied" });
    expect(receipt).toMatchObject({
      estimated: false,
      work: { calls: { tiny: { dense: 0, run: 1 }, untied: { dense: 1, run: 1 } } },
    });
    expect(receipt.flops.dense).toBe(strong!.dense);
    expect(receipt.flops.spent).toBeGreaterThan(strong!.spent);
    expect(receipt.flops.overhead).toBeGreaterThan(0);
  });

  test.each([
    [SWIFT, false],
    [SUPER, false],
    [SUPER, true],
  ])("%s streams the same text, then route and receipt (usage requested: %s)", async (model, usage) => {
    const more = { stream: true, ...(usage && { stream_options: { include_usage: true } }) };
    const events = await eventsOf(ask(model, more));
    expect(events.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe((model === SWIFT ? swift : strong)!.text);
    expect(events.at(-1)).toMatchObject({
      route: { to: model === SWIFT ? "swift" : "super", threshold: null },
      receipt: { model: "tiny>untied" },
    });
    expect(events.slice(0, -2).filter(({ route }) => route)).toEqual([]);
    expect(events.filter(({ receipt }) => receipt)).toHaveLength(1);
  });

  test("decides as the library does", async () => {
    const threshold = (await jsonOf(ask(SWIFT))).route.score;
    for (const [more, to] of [
      [-0.01, "swift"],
      [0.01, "super"],
    ] as const)
      expect((await jsonOf(ask(`tiny>untied@t=${threshold + more}`))).route.to).toBe(to);
    using pair = await openPipeline(`${gguf("llama-tiny")}>${gguf("llama-tiny-untied")}@t=0`);
    const { route } = await pair.route(base.prompt, { raw: true, maxTokens: 6, temperature: 0 });
    expect(threshold).toBeCloseTo(route.score!, 3);
  });

  test("has a route for each of several answers, and one bill", async () => {
    const { choices, route, receipt } = await jsonOf(ask(SUPER, { n: 2 }));
    expect(route).toBeUndefined();
    expect(choices.map((choice: { route: { to: string } }) => choice.route.to)).toEqual(["super", "super"]);
    expect(receipt.work.calls).toMatchObject({ tiny: { run: 2 }, untied: { run: 2 } });
  });

  test("respects the request's FLOPs, whichever model spends them", async () => {
    const { receipt } = await jsonOf(ask(SUPER, { max_flops: 0.9 * strong!.spent }));
    expect(receipt.cut).toBe("flops");
    expect(receipt.tokens.completion).toBeLessThan(6);
  });

  test("shares the models in memory with plain requests", async () => {
    const { data } = await jsonOf(fetch(`${server.url}/v1/models`));
    const of = (name: string) => data.find(({ id }: { id: string }) => id === name);
    expect([of("tiny").loaded, of("untied").loaded].flat()).toEqual([
      { quant: "auto", users: 0 },
      { quant: "auto", users: 0 },
    ]);
    expect(of("tiny>untied")).toMatchObject({ recipe: ["route:t=0"], pair: { swift: "tiny", super: "untied" } });
  });

  test("as the server's own pair needs no options, and has the names of routers", async () => {
    expect((await jsonOf(ask("tiny>untied"))).route.threshold).toBe(0);
    const { route, receipt } = await jsonOf(ask("router-margin-0.42"));
    expect([route.threshold, receipt.recipe]).toEqual([0.42, ["route:score=margin,t=0.42"]]);
  });
});

describe("refused in one sentence", () => {
  test.each([
    ["tiny>untied@shar=0.3", 400, 'route: there is no option "shar"'],
    ["tiny>untied@t=x", 400, "route: t: "],
    ["tiny>untied@t=1,share=0.3", 400, "not both"],
    ["tiny>untied@share=2", 400, "route: share: "],
    ["tiny>untied>again", 400, "is not a pair of models"],
    ["tiny>tiny@t=0", 400, "names one model twice"],
    ["tiny>again@t=0", 400, "tiny>again: both are the same model, expected two of different cost"],
    ["tiny>untied@share=0.3", 400, "tiny>untied is not calibrated for score=energy,aggregate=first"],
    ["tiny>unknown@t=0", 404, 'no model is called "unknown" here'],
    ["tiny>sentences@t=inf", 400, "sentences is an encoder; a pair needs two models that generate text"],
    ["router-odd-0.4", 400, "route: score: "],
  ])("%s", async (model, status, sentence) => {
    const [got, message] = await refusal(ask(model));
    expect([got, message]).toEqual([status, expect.stringContaining(sentence)]);
    expect(message).not.toContain(home);
  });

  test.each([
    [{ prompt: [1, 2] }, "prompt: token ids belong to one model"],
    [{ logit_bias: { 3: 1 } }, "logit_bias: token ids belong to one model"],
    [{ savings: ["exit:layer=1"] }, "savings apply to one model"],
    [{ echo: true, max_tokens: 0 }, "max_tokens: expected at least 1"],
    [{ echo: true, logprobs: 1 }, "echo: a pair returns no log-probabilities"],
    [{ stream: true, prompt: [1, 2] }, "prompt: token ids belong to one model"],
  ])("%j", async (more, sentence) => {
    expect(await refusal(ask(SUPER, more))).toEqual([400, expect.stringContaining(sentence)]);
  });

  test("a router's name on a server without a pair, or with two", async () => {
    const one = await serveModels(TINY.slice(0, 1));
    const two = await serveModels([...TINY.slice(0, 1), UNTIED, "tiny>untied", "untied>tiny"]);
    const body = { ...base, model: "router-energy-0.42" };
    expect(await refusal(post(one, "/v1/completions", body))).toEqual([
      404,
      expect.stringContaining("this one has none"),
    ]);
    expect(await refusal(post(two, "/v1/completions", body))).toEqual([
      400,
      "router-energy-0.42 is for a server with one pair, and this one has 2; name the pair: tiny>untied@score=energy,t=0.42",
    ]);
    await Promise.all([one.stop(0), two.stop(0)]);
  });

  test("the same pair twice at startup", async () => {
    await expect(serveModels([...TINY.slice(0, 1), UNTIED, "tiny>untied", "tiny>untied@t=1"])).rejects.toThrow(
      'two pairs are named "tiny>untied"',
    );
  });
});

describe("a larger model on another server", () => {
  const health = { interval: 0.1, timeout: 20, failures: 2 };
  const on = (front: Testing, t: string, more: object = {}, name = "tiny>untied") =>
    post(front, "/v1/completions", { ...base, model: `${name}@${t}`, ...more });
  let back: Testing;
  let front: Testing;
  beforeAll(async () => {
    back = await serveModels([UNTIED]);
    front = await serveModels([...TINY.slice(0, 1), "tiny>untied@t=0"], {}, [
      { ...remoteFromText(`untied=${back.url}`), health },
    ]);
  });
  afterAll(() => front.stop(0));

  test("answers, and both are billed: its part is marked as estimated", async () => {
    const { choices, route, receipt } = await jsonOf(on(front, "t=inf"));
    expect(choices[0].text).toBe(strong!.text);
    expect(route).toEqual({ to: "super", model: "untied", score: expect.any(Number), threshold: null });
    expect(receipt).toMatchObject({
      estimated: true,
      work: { calls: { tiny: { dense: 0, run: 1 }, untied: { dense: 1, run: 1 } } },
    });
    expect(receipt.flops.spent).toBeGreaterThan(receipt.flops.dense);
    expect(receipt.flops.spent - receipt.flops.overhead).toBeLessThanOrEqual(receipt.flops.dense);
  });

  test("streams, after Swift's score", async () => {
    const events = await eventsOf(on(front, "t=inf", { stream: true }));
    expect(events.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe(strong!.text);
    expect(events.at(-1)).toMatchObject({ route: { to: "super" }, receipt: { estimated: true } });
  });

  test("is not called if Swift answers", async () => {
    const { choices, route } = await jsonOf(on(front, "t=-inf"));
    expect([choices[0].text, route.to]).toEqual([swift!.text, "swift"]);
  });

  test.each([
    [{ logprobs: 1 }, "logprobs: untied runs on another server; in a pair, it gives none"],
    [{ suffix: "x" }, "suffix: untied runs on another server; in a pair, it takes none"],
  ])("%j is refused", async (more, sentence) => {
    expect(await refusal(on(front, "t=inf", more))).toEqual([400, sentence]);
  });

  test("cannot be Swift, whose logits are needed", async () => {
    const [status, message] = await refusal(on(front, "t=0", {}, "untied>tiny"));
    expect([status, message]).toEqual([
      400,
      expect.stringContaining("untied runs on other servers, which do not return"),
    ]);
  });

  test("that fails leaves Swift's answer, degraded, whole and streamed", async () => {
    await back.stop(0);
    const { choices, route, receipt } = await jsonOf(on(front, "t=inf"));
    expect([choices[0].text, route]).toEqual([
      swift!.text,
      { to: "swift", model: "tiny", score: expect.any(Number), threshold: null, degraded: true },
    ]);
    expect(receipt).toMatchObject({ estimated: true, work: { calls: { tiny: { run: 2 }, untied: { run: 1 } } } });
    const events = await eventsOf(on(front, "t=inf", { stream: true }));
    expect(events.map((event) => event.choices[0]?.text ?? "").join("")).toBe(swift!.text);
    expect(events.at(-1).route).toMatchObject({ to: "swift", degraded: true });
    expect(front.logged.some((line) => line.includes("a pair's second model failed"))).toBe(true);
  });
});

test("a chat's larger model on a hanging server is abandoned after the pair's time-out, and cut at the server's", async () => {
  const vllm = await startVllm();
  const template = mkdtempSync(path.join(tmpdir(), "modicum-chat-"));
  const file = path.join(template, "chat.gguf");
  writeFileSync(file, tinyWithTemplate("{% for m in messages %}{{ m.content }}{% endfor %}"));
  const front = await serveModels([`chat=${file}`], {}, [await bigAt(vllm.url)]);
  const chat = (options: string, to = front, more: object = {}) =>
    post(to, "/v1/chat/completions", {
      ...more,
      ...{ model: `chat>big@${options}`, max_tokens: 4, temperature: 0 },
      messages: [{ role: "user", content: "The capital of Japan?" }],
    });
  const answered = await jsonOf(chat("t=inf"));
  expect(answered.choices[0].message.content).toBe("The capital is Tokyo");
  expect(answered.route).toMatchObject({ to: "super", model: "big" });
  expect(answered.receipt).toMatchObject({ estimated: true, tokens: { prompt: 11, completion: 4 } });
  vllm.manner = "hangs";
  const late = await jsonOf(chat("t=inf,timeout=0.05"));
  expect(late.route).toMatchObject({ to: "swift", model: "chat", degraded: true });
  Object.assign(vllm, { manner: "answers", pause: withoutEnd });
  const hurried = await serveModels([`chat=${file}`], { limits: limitOptions.parse({ maxTime: 3 }) }, [
    await bigAt(vllm.url),
  ]);
  const cut = await eventsOf(chat("t=inf", hurried, { stream: true }));
  expect(cut.at(-1)).toMatchObject({
    choices: [{ finish_reason: "length" }],
    ...{ route: { to: "super" }, receipt: { cut: "deadline", estimated: true } },
  });
  await Promise.all([front.stop(0), hurried.stop(0)]);
  vllm.stop();
  rmSync(template, { recursive: true });
});

test("a key's terms apply to both models, and the ledger has one entry", async () => {
  const keyed = await serveModels([...TINY.slice(0, 1), UNTIED]);
  const { secret: ops } = await keyed.keys.create("ops", ["admin"]);
  let keys = 0;
  const keyWith = async (terms: object) =>
    (await keyed.keys.create(`k${++keys}`, ["infer"], termsSchema.parse(terms))).secret;
  const as = (secret: string, model: string) =>
    jsonOf(
      fetch(`${keyed.url}/v1/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
        body: JSON.stringify({ ...base, model }),
      }),
    );
  const { receipt } = await as(ops, SUPER);
  const headers = { authorization: `Bearer ${ops}` };
  const stored = await jsonOf(fetch(`${keyed.url}/v1/receipts/${receipt.id}`, { headers }));
  expect(stored).toMatchObject({ model: "tiny>untied", flops: receipt.flops });

  const bound = await keyWith({ maxTokens: 2 });
  for (const model of [SWIFT, SUPER])
    expect((await as(bound, model)).receipt).toMatchObject({ cut: "tokens", tokens: { completion: 2 } });

  const early = await keyWith({ recipe: ["exit:layer=1"] });
  for (const [model, one] of [
    [SWIFT, "tiny"],
    [SUPER, "untied"],
  ] as const) {
    const [paired, plain] = [await as(early, model), await as(early, one)];
    expect(paired.choices[0].text).toBe(plain.choices[0].text);
    expect(paired.receipt.work.layers.run).toBe(plain.receipt.work.layers.run);
    expect(plain.receipt.work.layers.run).toBeLessThan(plain.receipt.work.layers.dense);
  }
  await keyed.stop(0);
});
