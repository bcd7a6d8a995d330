/** The client of examples/vscode against a server that each test scripts, piece by piece. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CompletionClient } from "../examples/vscode/client.cjs";
import { AdaptivePause } from "../examples/vscode/pause.cjs";

/** A received request, and how to answer it. */
class Arrived {
  /** True once the client has left before the end. */
  gone = false;

  constructor(
    readonly id: string,
    readonly body: { prompt: string; suffix: string; stop: string[]; stream: boolean },
    private readonly response: ServerResponse,
  ) {
    response.on("close", () => {
      this.gone = !response.writableFinished;
    });
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
  }

  send(text: string): void {
    this.#event({ choices: [{ text }] });
  }

  /** Sends the last piece and the receipt. */
  end(text = ""): void {
    const receipt = { id: this.id, tokens: { prompt: 1, cached: 0, completion: 1 }, flops: { dense: 2, spent: 1 } };
    this.#event({ choices: [{ text, finish_reason: "stop" }], receipt });
    this.response.end("data: [DONE]\n\n");
  }

  fail(message: string): void {
    this.#event({ error: { message } });
    this.response.end();
  }

  #event(event: object): void {
    this.response.write(`data: ${JSON.stringify(event)}\n\n`);
  }
}

let arrived: Arrived[];
let server: ReturnType<typeof createServer>;
let client: CompletionClient;
beforeEach(async () => {
  arrived = [];
  server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    arrived.push(new Arrived(`${arrived.length}`, JSON.parse(Buffer.concat(pieces).toString()), response));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new CompletionClient({ server: url, model: "m", savings: [], pause: 0, maxTokens: 8 });
  controller = new AbortController();
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

let controller: AbortController;
/** Calls for a typed key, which cancels the previous key's call. */
function key(before: string, after = "") {
  controller.abort();
  controller = new AbortController();
  return client.complete(before, after, controller.signal);
}
const request = async (i: number): Promise<Arrived> => {
  await expect.poll(() => arrived.length, { interval: 5 }).toBeGreaterThan(i);
  return arrived[i]!;
};
/** Asks at `before`, and answers `text`. */
async function answered(before: string, text: string, after = "") {
  const [count, shown] = [arrived.length, key(before, after)];
  (await request(count)).end(text);
  return await shown;
}

describe("a finished answer", () => {
  test("is requested as a stream, with the text around the cursor", async () => {
    expect(await answered("let a", " = 1;\n", "\nb();")).toMatchObject({ text: " = 1;", receipt: { id: "0" } });
    expect(arrived[0]!.body).toMatchObject({ prompt: "let a", suffix: "\nb();", stop: ["\n"], stream: true });
  });

  test("shrinks as it is typed, without a request", async () => {
    await answered("let a", " = 1;");
    expect(await key("let a =")).toMatchObject({ text: " 1;", receipt: { id: "0" } });
    expect(await key("let a = 1")).toMatchObject({ text: ";", receipt: { id: "0" } });
    expect(await key("let a")).toMatchObject({ text: " = 1;", receipt: { id: "0" } });
    expect(arrived.length).toBe(1);
  });

  test.each([
    ["another key", "let a:", ""],
    ["a deleted key", "let ", ""],
    ["all of it", "let a = 1;", ""],
    ["another text after the cursor", "let a", ")"],
  ])("is useless after %s: the server is asked again", async (_, before, after) => {
    await answered("let a", " = 1;");
    expect(await answered(before, "x", after)).toMatchObject({ text: "x", receipt: { id: "1" } });
  });

  test("that is empty is not requested again at the same place", async () => {
    expect(await answered("let a", "")).toMatchObject({ text: "" });
    expect(await key("let a")).toMatchObject({ text: "" });
    expect(arrived.length).toBe(1);
  });
});

describe("a running request", () => {
  test("serves a later key that was typed along its answer", async () => {
    const first = key("let a");
    await request(0);
    const second = key("let a =");
    arrived[0]!.send(" =");
    arrived[0]!.end(" 1;");
    expect(await second).toMatchObject({ text: " 1;", receipt: { id: "0" } });
    expect(await first).toBeUndefined();
    expect(arrived.length).toBe(1);
  });

  test("is cancelled once its text differs from the typed text, and the last key asks", async () => {
    key("let a");
    await request(0);
    const second = key("let a:");
    arrived[0]!.send(" =");
    (await request(1)).end(" number");
    expect(await second).toMatchObject({ text: " number", receipt: { id: "1" } });
    await expect.poll(() => arrived[0]!.gone).toBe(true);
  });

  test.each([
    ["a key that ends its line", "let a\n", ""],
    ["a deleted key", "let ", ""],
    ["another place", "let a", "x"],
  ])("is cancelled at once by %s", async (_, before, after) => {
    key("let a");
    await request(0);
    const second = key(before, after);
    (await request(1)).end("y");
    expect(await second).toMatchObject({ text: "y" });
    await expect.poll(() => arrived[0]!.gone).toBe(true);
  });

  test("on an empty line continues over further lines", async () => {
    key("{\n");
    expect((await request(0)).body.stop).toEqual(["\n\n"]);
    const second = key("{\na;\n");
    arrived[0]!.end("a;\nb;\n");
    expect(await second).toMatchObject({ text: "b;", receipt: { id: "0" } });
  });

  test("that fails reports to the key that sent it; the next one asks again", async () => {
    const first = key("let a");
    (await request(0)).fail("no memory");
    await expect(first).rejects.toThrow("no memory");
    expect(await answered("let a", "x")).toMatchObject({ text: "x", receipt: { id: "1" } });
  });
});

test("of two simultaneous calls, the last one asks", async () => {
  const { signal } = new AbortController();
  const calls = [client.complete("a", "", signal), client.complete("b", "", signal)];
  await expect.poll(() => arrived.find(({ body }) => body.prompt === "b")).toBeDefined();
  expect(arrived.filter(({ gone }) => !gone).length).toBe(1);
  arrived.at(-1)!.end("x");
  expect(await Promise.all(calls)).toEqual([undefined, expect.objectContaining({ text: "x" })]);
});

describe("the pause", () => {
  const timed = (...milliseconds: number[]) => {
    const pause = new AdaptivePause();
    for (const each of milliseconds) pause.answered(each);
    return pause;
  };

  test("is the shortest until an answer has been timed, and for a fast server", () => {
    expect(timed().length(150)).toBe(150);
    expect(timed(40, 50, 60).length(150)).toBe(150);
  });

  test("is a quarter of the median round trip, up to a second", () => {
    expect(timed(1000, 90_000, 2000).length(150)).toBe(500);
    expect(timed(60_000).length(150)).toBe(1000);
    expect(timed(60_000).length(3000)).toBe(3000);
  });

  test("follows the latest nine", () => {
    expect(timed(...Array(9).fill(4000), ...Array(5).fill(2000)).length(0)).toBe(500);
    expect(timed(...Array(9).fill(4000), ...Array(4).fill(2000)).length(0)).toBe(1000);
  });

  test("does not shrink after requests that were cancelled early", () => {
    const pause = timed(2000);
    for (let i = 0; i < 9; i++) pause.cancelled(10);
    expect(pause.length(0)).toBe(500);
    for (let i = 0; i < 9; i++) pause.cancelled(3000);
    expect(pause.length(0)).toBe(750);
  });
});
