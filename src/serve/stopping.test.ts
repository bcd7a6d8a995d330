import { expect, test } from "vitest";
import { hold } from "./hold.testing.ts";
import { limitOptions } from "./limits.ts";
import { jsonOf, serveModels, TINY } from "./serve.testing.ts";

const headers = { "content-type": "application/json" };
const long = { model: "tiny", prompt: "abc", max_tokens: 200, temperature: 0, stream: true };
/** As much as one request may ask for: more than a fast machine has said at once. */
const longest = { ...long, prompt: Array(8).fill("abc"), n: 8 };
const ALL = 8 * 200 * 8;
const oneRow = (queue: number) => ({ scheduling: { rows: 1, queue } });
const post = (url: string, body: object, signal?: AbortSignal) =>
  fetch(`${url}/v1/completions`, { method: "POST", headers, body: JSON.stringify(body), ...(signal && { signal }) });

test("a server that stops lets a stream end, and accepts no more", async () => {
  const server = await serveModels(TINY.slice(0, 1));
  const response = await post(server.url, { ...long, max_tokens: 30 });
  const stopped = server.stop(10_000);
  const text = await response.text();
  expect(text).toMatch(/"finish_reason":"length".*"receipt"/);
  expect(text).toMatch(/data: \[DONE\]\n\n$/);
  await stopped;
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
});

test("a stream that does not end in time is cut off with its last event, receipt and all", async () => {
  const server = await serveModels(TINY.slice(0, 1), { scheduling: { rows: 64, queue: 0 } });
  const response = await post(server.url, longest);
  await server.stop(0);
  const events = (await response.text()).trimEnd().split("\n\n");
  expect(events.at(-1)).toBe("data: [DONE]");
  const last = JSON.parse(events.at(-2)!.slice(6));
  expect(last).toMatchObject({ choices: [{ finish_reason: "length" }], receipt: { model: "tiny" } });
  expect(last.receipt.tokens.completion).toBeLessThan(ALL);
});

test("beyond the queue, requests are refused and told when to come again", async () => {
  const server = await serveModels(TINY.slice(0, 1), oneRow(1));
  const goOn = hold();
  let refused = 0;
  const statuses = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const response = await post(server.url, { ...long, stream: false, max_tokens: 60 });
      if (!response.ok && ++refused === 4) goOn();
      const { error } = await jsonOf(response);
      return [response.status, error?.type, Number(response.headers.get("retry-after")) >= 1].join();
    }),
  );
  expect(statuses.filter((s) => s === "200,,false")).toHaveLength(2);
  expect(statuses.filter((s) => s === "429,rate_limit_error,true")).toHaveLength(4);
  await server.stop(0);
});

test("answers have their turn or wait for it, and count once", async () => {
  const server = await serveModels(TINY.slice(0, 1), oneRow(16));
  const goOn = hold();
  const response = await post(server.url, { ...long, n: 4 });
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const count = (name: string) => Number(new RegExp(`num_requests_${name}\\{[^}]*\\} (\\d+)`).exec(text)?.[1]);
  expect([count("running"), count("waiting")]).toEqual([1, 3]);
  goOn();
  await response.body?.cancel();
  await server.stop(0);
});

test("a request whose time is over ends with what it has, and is refused where it has nothing", async () => {
  const limits = limitOptions.parse({ maxTime: 0.5 });
  const server = await serveModels(TINY.slice(0, 1), { limits, scheduling: { rows: 2, queue: 10_000 } });
  // Of many lengths: not all that are under way end of themselves at the moment when time is over.
  const ask = async (_: unknown, i: number) => {
    const response = await post(server.url, { ...long, stream: false, max_tokens: 200 - (i % 50) });
    return { status: response.status, body: await jsonOf(response) };
  };
  // A few times as many as this machine ends in time.
  const started = performance.now();
  await ask(undefined, 0);
  const length = 4 + Math.ceil((8 * 500) / (performance.now() - started));
  const all = await Promise.all(Array.from({ length }, ask));
  const cut = all.find(({ body }) => body.receipt?.cut);
  expect(cut).toMatchObject({
    status: 200,
    body: { choices: [{ finish_reason: "length" }], receipt: { cut: "deadline" } },
  });
  const late = all.find(({ status }) => status !== 200);
  expect(late).toMatchObject({ status: 503, body: { error: { code: "deadline" } } });
  await server.stop(0);
});

test("a client that goes away ends its request, which is billed for what had run", async () => {
  const server = await serveModels(TINY.slice(0, 1), oneRow(64));
  const leaving = new AbortController();
  const response = await post(server.url, longest, leaving.signal);
  const reader = response.body!.getReader();
  await reader.read();
  leaving.abort();
  const running = async () =>
    /num_requests_running\{[^}]*\} (\d+)/.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1];
  await expect.poll(running, { timeout: 10_000 }).toBe("0");
  const { data } = await jsonOf(fetch(`${server.url}/v1/receipts`));
  expect(data).toHaveLength(1);
  expect(data[0].tokens.completion).toBeGreaterThan(0);
  expect(data[0].tokens.completion).toBeLessThan(ALL);
  await server.stop(0);
});
