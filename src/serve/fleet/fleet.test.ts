import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Shape } from "../../engine/bill/shape.ts";
import { receiptSchema } from "../../ledger/receipt.ts";
import { limitOptions } from "../limits.ts";
import { jsonOf, openaiOf, post, serveModels, type Testing, TINY } from "../serve.testing.ts";
import { bigAt, briefly, startVllm, type Vllm, withoutEnd } from "./vllm.testing.ts";

const health = { interval: 0.1, timeout: 20, failures: 2 };

const { shape } = (await bigAt("http://a")) as { shape: Shape };

let servers: [Vllm, Vllm];
let front: Testing;
let openai: OpenAI;
beforeAll(async () => {
  servers = [await startVllm(), await startVllm()];
  const [a, b] = servers;
  const named = [
    { name: "a", url: `${a.url}/v1` },
    { name: "b", url: b.url },
  ];
  const big = { ...(await bigAt(a.url)), key: "secret", servers: named, health };
  front = await serveModels(TINY.slice(0, 1), {}, [big]);
  openai = openaiOf(front);
});
afterAll(async () => {
  await front.stop(0);
  for (const server of servers) server.stop();
});
beforeEach(async () => {
  for (const server of servers) Object.assign(server, { manner: "answers", pause: briefly, healthy: true, left: 0 });
  for (const { got } of servers) got.length = 0;
  await answering(2);
});

/** Resolves once exactly `up` servers are up. */
async function answering(up: number): Promise<void> {
  const listed = async () => (await jsonOf(fetch(`${front.url}/v1/models/big`))).servers.up;
  await expect.poll(listed).toBe(up);
}

const question = {
  model: "big",
  messages: [{ role: "user" as const, content: "The capital of Japan?" }],
  max_tokens: 20,
};
// biome-ignore lint/suspicious/noExplicitAny: what comes is what is tested
type Any = any;

async function streamed(more: object = {}): Promise<Any[]> {
  const events: Any[] = [];
  for await (const event of await openai.chat.completions.create({ ...question, ...more, stream: true }))
    events.push(event);
  return events;
}
const textOf = (events: Any[]): string => events.map((e) => e.choices[0]?.delta.content ?? "").join("");

/** Sets every server's behaviour. */
const all = (manner: Vllm["manner"]) => {
  for (const server of servers) server.manner = manner;
};
/** Sets the function that each server awaits between words. */
const pausing = (pause: Vllm["pause"]) => {
  for (const server of servers) server.pause = pause;
};
const requestCounts = () => servers.map(({ got }) => got.length);

describe("answers of another server", () => {
  test("arrive whole, under the requested name, with a receipt by the model's shape", async () => {
    const answer: Any = await openai.chat.completions.create(question);
    expect([answer.model, answer.choices[0].message.content]).toEqual(["big", "The capital is Tokyo"]);
    const receipt = receiptSchema.parse(answer.receipt);
    const { flops, bytes } = shape.generated({ prompt: 11, cached: 0, completion: 4, answers: 1 });
    expect(receipt).toMatchObject({
      ...{ model: "big", recipe: [], estimated: true, work: { calls: { big: { dense: 1, run: 1 } } } },
      tokens: { prompt: 11, cached: 0, completion: 4 },
      flops: { dense: flops, spent: flops, overhead: 0, saved: 0 },
      bytes: { dense: bytes, spent: bytes },
    });
    expect(["a", "b"]).toContain(receipt.server);
    expect(await jsonOf(fetch(`${front.url}/v1/receipts/${receipt.id}`))).toEqual(receipt);
  });

  test("arrive as a stream, with usage only on request", async () => {
    const [plain, counted] = [await streamed(), await streamed({ stream_options: { include_usage: true } })];
    for (const events of [plain, counted]) {
      expect(textOf(events)).toBe("The capital is Tokyo");
      expect(events.filter((e) => e.receipt)).toEqual([events.at(-1)]);
      expect(events.at(-1).receipt.tokens).toEqual({ prompt: 11, cached: 0, completion: 4 });
      expect(events.map((e) => e.model)).toEqual(events.map(() => "big"));
    }
    expect(plain.at(-1).choices[0].finish_reason).toBe("stop");
    expect(plain.filter((e) => "usage" in e)).toEqual([]);
    expect(counted.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 11 } });
  });

  test("arrive piece by piece, not all at the end", async () => {
    let next = () => {};
    pausing(() => new Promise<void>((resolve) => (next = resolve)));
    const stream = await openai.chat.completions.create({ ...question, stream: true });
    let words = 0;
    // The server writes each word only after the previous one has arrived.
    for await (const event of stream)
      if (event.choices[0]?.delta.content) {
        words++;
        next();
      }
    expect(words).toBe(4);
  });

  test("are requested with the server's key and name, and a limit", async () => {
    const { max_tokens: _, ...unlimited } = question;
    await openai.chat.completions.create({ ...unlimited, top_k: 7, savings: [] } as Any);
    const [{ body, headers }] = servers.flatMap(({ got }) => got) as [Vllm["got"][number]];
    expect(body).toEqual({ ...unlimited, model: "org/Big", max_tokens: 2048, top_k: 7 });
    expect(headers.get("authorization")).toBe("Bearer secret");
  });

  test("may be vectors", async () => {
    const { data, receipt }: Any = await openai.embeddings.create({
      model: "big",
      input: ["a", "b"],
      encoding_format: "float",
    });
    expect(data[0].embedding).toEqual([0.6, 0.8]);
    expect(receipt).toMatchObject({ estimated: true, tokens: { prompt: 11, completion: 0 } });
    expect(receipt.flops.dense).toBe(shape.read(2, 11).flops);
  });

  test("are counted like this server's own", async () => {
    const { receipt }: Any = await openai.chat.completions.create(question);
    const text = await (await fetch(`${front.url}/metrics`)).text();
    expect(text).toMatch(/vllm:generation_tokens_total\{model_name="big"\} \d+/);
    expect(text).toMatch(/vllm:time_to_first_token_seconds_count\{model_name="big"\} [1-9]/);
    expect(text).toMatch(/modicum:server_up\{model_name="big",server="a"\} 1/);
    expect((await jsonOf(fetch(`${front.url}/v1/receipts?model=big&limit=1`))).data[0].id).toBe(receipt.id);
  });
});

describe("of several servers", () => {
  test("the least busy one is chosen", async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    pausing(() => gate);
    const four = Promise.all([streamed(), streamed(), streamed(), streamed()]);
    await expect.poll(requestCounts).toEqual([2, 2]);
    open();
    await four;
    pausing(withoutEnd);
    const leaving = new AbortController();
    await openai.chat.completions.create({ ...question, stream: true }, { signal: leaving.signal });
    const busy = requestCounts().indexOf(3);
    for (let i = 0; i < 3; i++) await openai.chat.completions.create(question);
    expect(requestCounts()[1 - busy]).toBe(5);
    leaving.abort();
  });

  test("another one answers if one dies before its first token", async () => {
    servers[0].manner = "dies-early";
    for (let i = 0; i < 3; i++) {
      const events = await streamed();
      expect(textOf(events)).toBe("The capital is Tokyo");
      expect(events.filter((e) => e.choices[0]?.delta.role)).toHaveLength(1);
      expect(events.at(-1).receipt.server).toBe("b");
    }
    expect(requestCounts()[0]).toBeGreaterThanOrEqual(1);
  });

  test("none takes over after the first token: an event says so", async () => {
    all("dies-late");
    const failed = await streamed().catch((e) => e);
    expect(failed.message).toMatch("the server that answered for big broke off");
    expect(requestCounts().sort()).toEqual([0, 1]);
    const { data } = await jsonOf(fetch(`${front.url}/v1/receipts?model=big&limit=1`));
    expect(data[0]).toMatchObject({ estimated: true, tokens: { prompt: 7, completion: 1 } });
  });

  test("a full one is skipped, and if all are full the client gets a time to retry", async () => {
    servers[0].manner = "busy";
    for (let i = 0; i < 2; i++) expect(textOf(await streamed())).toBe("The capital is Tokyo");
    all("busy");
    const refused = await openai.chat.completions.create(question).catch((e) => e);
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
    expect(refused.headers.get("retry-after")).toBe("5");
  });

  test("one whose checks fail is not used until they succeed", async () => {
    servers[0].healthy = false;
    await answering(1);
    for (let i = 0; i < 3; i++) await openai.chat.completions.create(question);
    expect(requestCounts()).toEqual([0, 3]);
    servers[1].healthy = false;
    await answering(0);
    const refused = await openai.chat.completions.create(question).catch((e) => e);
    expect([refused.status, refused.message]).toEqual([
      503,
      expect.stringContaining("no server of big can be reached; try again later"),
    ]);
    for (const server of servers) server.healthy = true;
    await answering(2);
    expect(front.logged.join("")).toMatch(/"reason":"GET \/health returned the status 500"/);
    expect(front.logged.join("")).not.toMatch(/secret|capital/);
  });

  test("one that hangs is abandoned once its checks fail", async () => {
    servers[0].manner = "hangs";
    servers[1].healthy = false;
    await answering(1);
    const answer = streamed();
    await expect.poll(requestCounts).toEqual([1, 0]);
    servers[1].healthy = true;
    await answering(2);
    servers[0].healthy = false;
    expect((await answer).at(-1).receipt.server).toBe("b");
  });
});

test("a client that leaves also ends the upstream request, and is billed for what arrived", async () => {
  pausing(withoutEnd);
  const leaving = new AbortController();
  const stream = await openai.chat.completions.create({ ...question, stream: true }, { signal: leaving.signal });
  for await (const event of stream) if (event.choices[0]?.delta.content) break;
  leaving.abort();
  await expect.poll(() => servers[0].left + servers[1].left).toBe(1);
  const latest = async () => (await jsonOf(fetch(`${front.url}/v1/receipts?model=big&limit=1`))).data[0];
  await expect.poll(async () => (await latest()).tokens.completion).toBeLessThan(4);
});

test.each<[string, object, number, RegExp]>([
  ["savings", { savings: ["xattention"] }, 400, /savings: big runs on servers without savings/],
  ["what the server refuses", { top_k: -7 }, 400, /top_k/],
  ["a recipe", { model: "big@fast" }, 404, /no model is called "big@fast" here; there are: tiny, big$/],
  ["a slip of the name", { model: "bigg" }, 404, /did you mean "big"\?/],
])("refused: %s", async (_, changes, status, sentence) => {
  const refused = await openai.chat.completions.create({ ...question, ...changes } as Any).catch((e) => e);
  expect([refused.status, refused.message]).toEqual([status, expect.stringMatching(sentence)]);
});

test("a server that stops ends its remote answers with their last event", async () => {
  const stopping = await serveModels([], {}, [await bigAt(servers[0].url)]);
  pausing(withoutEnd);
  const response = await post(stopping, "/v1/chat/completions", { ...question, stream: true });
  const [seen, whole] = response.body!.tee();
  for await (const part of seen.pipeThrough(new TextDecoderStream())) if (part.includes("The")) break;
  await stopping.stop(300);
  const events = (await new Response(whole).text()).trimEnd().split("\n\n");
  expect(events.at(-1)).toBe("data: [DONE]");
  expect(JSON.parse(events.at(-2)!.slice(6))).toMatchObject({
    choices: [{ finish_reason: "length" }],
    receipt: { model: "big" },
  });
});

test("a remote answer out of time ends with the text so far", async () => {
  const limited = await serveModels([], { limits: limitOptions.parse({ maxTime: 1.5 }) }, [
    await bigAt(servers[0].url),
  ]);
  pausing(withoutEnd);
  const response = await post(limited, "/v1/chat/completions", { ...question, stream: true });
  const events = (await response.text()).trimEnd().split("\n\n");
  expect(JSON.parse(events.at(-2)!.slice(6))).toMatchObject({
    choices: [{ finish_reason: "length" }],
    receipt: { model: "big", cut: "deadline" },
  });
  servers[0].manner = "hangs";
  const late = await post(limited, "/v1/chat/completions", { ...question, stream: true });
  expect(await late.text()).toContain("no answer within 1.5 seconds");
  await limited.stop(0);
});
