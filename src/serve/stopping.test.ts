import { expect, test } from "vitest";
import { jsonOf, serveModels, TINY } from "./serve.testing.ts";

const headers = { "content-type": "application/json" };
const long = { model: "tiny", prompt: "abc", max_tokens: 200, temperature: 0, stream: true };
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

test("a stream that does not end in time ends with a last event that says why", async () => {
  const server = await serveModels(TINY.slice(0, 1));
  const response = await post(server.url, { ...long, n: 8 });
  await server.stop(0);
  const events = (await response.text()).trimEnd().split("\n\n");
  expect(events.at(-1)).toBe("data: [DONE]");
  expect(JSON.parse(events.at(-2)!.slice(6)).error).toMatchObject({
    message: "the server is stopping",
    type: "server_error",
  });
});

test("a client that goes away ends its request, which is billed for what had run", async () => {
  const server = await serveModels(TINY.slice(0, 1));
  const leaving = new AbortController();
  const response = await post(server.url, { ...long, n: 8 }, leaving.signal);
  const reader = response.body!.getReader();
  await reader.read();
  leaving.abort();
  const running = async () =>
    /num_requests_running\{[^}]*\} (\d+)/.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1];
  await expect.poll(running, { timeout: 10_000 }).toBe("0");
  const { data } = await jsonOf(fetch(`${server.url}/v1/receipts`));
  expect(data).toHaveLength(1);
  expect(data[0].tokens.completion).toBeGreaterThan(0);
  expect(data[0].tokens.completion).toBeLessThan(8 * 200);
  await server.stop(0);
});
