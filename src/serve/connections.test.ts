import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limitOptions } from "./limits.ts";
import { jsonOf, outlasting, serveModels, type Testing, TINY } from "./serve.testing.ts";

/**
 * Maximum seconds for a request to arrive; its headers have a quarter of that time. A client that sends nothing in that
 * time gets no answer; on a busy machine, the client itself may be late.
 */
const SECONDS = 2;
let server: Testing;
beforeAll(async () => {
  server = await serverOf(SECONDS);
});
afterAll(() => server.stop(0));

const serverOf = (maxArrival: number) =>
  serveModels(TINY.slice(0, 1), {
    limits: limitOptions.parse({ maxArrival }),
    scheduling: { rows: 1, queue: 10_000 },
  });

/** Opens a connection; `reply` is everything the server sends before the connection closes. */
function open(to = server): { socket: Socket; reply: Promise<string> } {
  const socket = connect({ port: Number(new URL(to.url).port), host: "127.0.0.1", allowHalfOpen: true });
  const reply = new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (data) => (text += data));
    socket.on("close", () => resolve(text));
    socket.on("end", () => socket.end());
    socket.on("error", () => {});
  });
  return { socket, reply };
}

const head = (length: number) =>
  `POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
const request = (body: object): string => {
  const text = JSON.stringify({ model: "tiny", prompt: "abc", temperature: 0, ...body });
  return head(text.length) + text;
};

/** The last response on a connection, after interim responses and responses to earlier requests. */
function last(reply: string): { status: number; body: string; count: number } {
  const answers = reply.split(/(?=HTTP\/1\.1 \d{3} )/).filter((answer) => !answer.startsWith("HTTP/1.1 102 "));
  const [start, ...rest] = answers.at(-1)!.split("\r\n\r\n");
  return { status: Number(start!.slice(9, 12)), body: rest.join("\r\n\r\n"), count: answers.length };
}

/** The longest answers that one request may ask for; no machine finishes them before the client leaves. */
const LONG = { prompt: Array(8).fill("abc"), max_tokens: 200, n: 8 };
const ALL = 8 * 200 * 8;

const metric = async (name: string) =>
  Number(new RegExp(`${name}\\{[^}]*\\} (\\d+)`).exec(await (await fetch(`${server.url}/metrics`)).text())?.[1] ?? 0);
const running = () => metric("requests_running");
/** The number of answers with at least one token. */
const computed = () => metric("time_to_first_token_seconds_count");
/** Resolves once the server is idle. */
const idle = () => expect.poll(running).toBe(0);
const newest = async () => (await jsonOf(fetch(`${server.url}/v1/receipts?limit=1`))).data[0];

describe("a client that ends its side of the connection after its request", () => {
  test.each([
    ["whole", { max_tokens: 40 }, /"finish_reason":"length".*"completion":40/],
    ["as a stream", { max_tokens: 40, stream: true }, /data: \[DONE\]/],
  ])("gets its answer %s, and then the connection is closed", async (_, body, answer) => {
    const { socket, reply } = open();
    socket.end(request(body));
    const { status, body: text } = last(await reply);
    expect([status, text]).toEqual([200, expect.stringMatching(answer)]);
  });

  test("frees its place if it leaves before the answer, and is billed for what ran", async () => {
    const { socket } = open();
    const before = await computed();
    socket.end(request(LONG));
    await expect.poll(computed, { interval: 5 }).toBeGreaterThan(before);
    socket.destroy();
    await idle();
    const { tokens } = await newest();
    expect(tokens.completion).toBeGreaterThan(0);
    expect(tokens.completion).toBeLessThan(ALL);
  });

  test("in the middle of a stream has left", async () => {
    const { socket, reply } = open();
    socket.write(request({ ...LONG, stream: true }));
    await new Promise((resolve) => socket.once("data", resolve));
    socket.end();
    expect(last(await reply).body).not.toContain("[DONE]");
    await idle();
    expect((await newest()).tokens.completion).toBeLessThan(ALL);
  });

  test("in the middle of its request is told so", async () => {
    const { socket, reply } = open();
    socket.end(`${head(50)}{"model"`);
    expect(last(await reply)).toMatchObject({ status: 400, body: expect.stringContaining("broke off") });
  });
});

describe("a request that arrives too slowly is refused, and its connection closed", () => {
  /** Sends `byte` again and again until the server ends the connection; returns the response. */
  async function drip(start: string, byte: string): Promise<{ status: number; body: string }> {
    const { socket, reply } = open();
    socket.write(start);
    const timer = setInterval(() => socket.write(byte), 40);
    const answer = last(await reply);
    clearInterval(timer);
    return answer;
  }
  const refused = { error: { message: "the request took too long to arrive", type: "invalid_request_error" } };

  test.concurrent.each([
    ["a body", head(100_000), " "],
    ["a body of chunks", head(1).replace(/Content-Length: 1/, "Transfer-Encoding: chunked"), "1\r\n \r\n"],
    ["a head", "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", "a"],
    ["headers without end", "GET /health HTTP/1.1\r\nHost: localhost\r\n", "X-Slow: a\r\n"],
    ["a body, on a connection that had an answer before", request({ max_tokens: 1 }) + head(100_000), " "],
  ])("%s", async (_, start, byte) => {
    const { status, body } = await drip(start, byte);
    expect([status, JSON.parse(body)]).toMatchObject([408, refused]);
  });

  test("the same holds for many", async () => {
    const slow = Array.from({ length: 30 }, () => drip(head(100_000), " "));
    expect((await Promise.all(slow)).every(({ status }) => status === 408)).toBe(true);
  });

  test("many of them do not delay anyone else", async () => {
    const patient = await serverOf(3600);
    const slow = Array.from({ length: 100 }, () => open(patient).socket);
    for (const socket of slow) socket.write(`${head(100_000)} `);
    expect((await fetch(`${patient.url}/health`)).status).toBe(200);
    expect(slow.every(({ destroyed }) => !destroyed)).toBe(true);
    for (const socket of slow) socket.destroy();
    await patient.stop(0);
  });

  test("an answer may take longer than its request", async () => {
    // The server checks its connections several times a second, so it would have closed this one within 1.5 times the limit.
    await outlasting(1500 * SECONDS, async () => {
      const { socket, reply } = open();
      socket.end(request({ max_tokens: 200 }));
      const { status, body } = last(await reply);
      expect([status, JSON.parse(body).choices?.length]).toEqual([200, 1]);
    });
  });

  test("none of this counts as the server's fault", () => {
    expect(server.logged.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
  });
});
