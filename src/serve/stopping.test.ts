import { expect, test, vi } from "vitest";
import { hold } from "./hold.testing.ts";
import { limitOptions } from "./limits.ts";
import { jsonOf, serveModels, TINY } from "./serve.testing.ts";

const headers = { "content-type": "application/json" };
const long = {
  ...{ model: "tiny", prompt: "abc", max_tokens: 200 },
  ...{ temperature: 0, repetition_detection: false, stream: true },
};
/** The longest answers that one request may ask for, which even a fast machine does not write at once. */
const longest = { ...long, prompt: Array(8).fill("abc"), n: 8 };
const ALL = 8 * 200 * 8;
const oneRow = (queue: number) => ({ scheduling: { rows: 1, queue } });
const post = (url: string, body: object, signal?: AbortSignal) =>
  fetch(`${url}/v1/completions`, { method: "POST", headers, body: JSON.stringify(body), ...(signal && { signal }) });

/** The numbers of running and waiting requests. */
async function requests({ url }: { url: string }): Promise<number[]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return ["running", "waiting"].map((name) =>
    Number(new RegExp(`num_requests_${name}\\{[^}]*\\} (\\d+)`).exec(text)?.[1]),
  );
}

test("a stopping server lets a stream end, and accepts no more", async () => {
  const server = await serveModels(TINY.slice(0, 1));
  const response = await post(server.url, { ...long, max_tokens: 30 });
  const stopped = server.stop(300_000);
  const text = await response.text();
  expect(text).toMatch(/"finish_reason":"length".*"receipt"/);
  expect(text).toMatch(/data: \[DONE\]\n\n$/);
  await stopped;
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
});

test("a stream that does not end in time is cut off with its last event, including the receipt", async () => {
  const server = await serveModels(TINY.slice(0, 1), { scheduling: { rows: 64, queue: 0 } });
  const response = await post(server.url, longest);
  // With fake timers, the server's patience with its clients does not end before the answer is read.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const stopped = server.stop(0);
  const events = (await response.text()).trimEnd().split("\n\n");
  const clock = setInterval(() => vi.advanceTimersByTime(1000), 5);
  await stopped;
  clearInterval(clock);
  vi.useRealTimers();
  expect(events.at(-1)).toBe("data: [DONE]");
  const last = JSON.parse(events.at(-2)!.slice(6));
  expect(last).toMatchObject({ choices: [{ finish_reason: "length" }], receipt: { model: "tiny" } });
  expect(last.receipt.tokens.completion).toBeLessThan(ALL);
});

test("beyond the queue, requests are refused and get a time to retry", async () => {
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

test("answers run or wait, and count once", async () => {
  const server = await serveModels(TINY.slice(0, 1), oneRow(16));
  const goOn = hold();
  const response = await post(server.url, { ...long, n: 4 });
  await expect.poll(() => requests(server)).toEqual([1, 3]);
  goOn();
  await response.body?.cancel();
  await server.stop(0);
});

test("a request out of time ends with the text so far, and is refused if there is none", async () => {
  const limits = limitOptions.parse({ maxTime: 1000 });
  const server = await serveModels(TINY.slice(0, 1), { limits, ...oneRow(3) });
  const goOn = hold();
  const ask = async () => {
    const response = await post(server.url, { ...long, stream: false });
    return { status: response.status, body: await jsonOf(response) };
  };
  const all = Promise.all(Array.from({ length: 4 }, ask));
  await expect.poll(() => requests(server)).toEqual([1, 3]);
  const now = performance.now();
  using _ = vi.spyOn(performance, "now").mockReturnValue(now + 1_000_000);
  goOn();
  const byStatus = (await all).sort((a, b) => a.status - b.status);
  const cut = { choices: [{ finish_reason: "length" }], receipt: { cut: "deadline" } };
  const late = { error: { code: "deadline" } };
  expect(byStatus).toMatchObject([
    { status: 200, body: cut },
    ...[503, 503, 503].map((status) => ({ status, body: late })),
  ]);
  await server.stop(0);
});

test("a client that leaves ends its request, which is billed for what ran", async () => {
  const server = await serveModels(TINY.slice(0, 1), oneRow(64));
  const leaving = new AbortController();
  const response = await post(server.url, longest, leaving.signal);
  const reader = response.body!.getReader();
  await reader.read();
  leaving.abort();
  const running = async () =>
    /num_requests_running\{[^}]*\} (\d+)/.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1];
  await expect.poll(running).toBe("0");
  const { data } = await jsonOf(fetch(`${server.url}/v1/receipts`));
  expect(data).toHaveLength(1);
  expect(data[0].tokens.completion).toBeGreaterThan(0);
  expect(data[0].tokens.completion).toBeLessThan(ALL);
  await server.stop(0);
});
