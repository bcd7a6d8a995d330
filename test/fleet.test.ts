import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { receiptSchema } from "../src/ledger/receipt.ts";
import { jsonOf } from "../src/serve/serve.testing.ts";
import { modicum, root } from "./program.testing.ts";

/** Servers in processes, as a user starts them: two with a model, and one in front. */
const folder = mkdtempSync(join(tmpdir(), "modicum-fleet-"));
const tiny = `tiny=${join(root, "src/models/fixtures/llama-tiny.gguf")}`;

interface Server {
  readonly child: ChildProcess;
  readonly url: string;
}

async function start(home: string, ...words: string[]): Promise<Server> {
  const env = { ...process.env, MODICUM_HOME: join(folder, home) };
  const child = spawn(process.execPath, [join(root, "bin/modicum.js"), "serve", "--port", "0", ...words], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const seen: string[] = [];
  for await (const line of createInterface(child.stderr!)) {
    seen.push(line);
    const [, url] = /"url":"([^"]+)"/.exec(line) ?? [];
    if (url !== undefined) {
      child.stderr!.resume();
      return { child, url };
    }
  }
  throw new Error(`no server came: ${seen.join("\n")}`);
}

let [first, second, front]: Server[] = [];
beforeAll(async () => {
  [first, second] = await Promise.all([start("first", "--model", tiny), start("second", "--model", tiny)]);
  const health = { interval: 0.2, timeout: 20, failures: 2 };
  const model = {
    name: "small",
    model: "tiny",
    kind: "modicum",
    servers: [first!.url, { name: "second", url: second!.url }],
    health,
  };
  writeFileSync(join(folder, "fleet.json"), JSON.stringify({ models: [model] }));
  front = await start(
    "front",
    "--fleet",
    join(folder, "fleet.json"),
    "--remote",
    `tiny=${first!.url},${second!.url}/v1`,
  );
});
afterAll(async () => {
  for (const server of [front, first, second]) server?.child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const post = (body: object) =>
  fetch(`${front!.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "small", prompt: "abc", max_tokens: 6, temperature: 0, ...body }),
  });
const answered = (body: object) => jsonOf(post(body));
const serversUp = async () => (await jsonOf(fetch(`${front!.url}/v1/models/small`))).servers.up;

test("answers have the figures of their Modicum, marked estimated, whole and streamed", async () => {
  const direct = await fetch(`${first!.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "tiny", prompt: "abc", max_tokens: 6, temperature: 0 }),
  });
  const own = await jsonOf(direct);
  const [one, other] = [await answered({}), await answered({ model: "tiny" })];
  for (const [name, { choices, receipt, model }] of [
    ["small", one],
    ["tiny", other],
  ]) {
    expect([choices, model, receipt.model]).toEqual([own.choices, name, name]);
    expect(receiptSchema.parse(receipt)).toMatchObject({
      estimated: true,
      work: { calls: { [name]: { dense: 1, run: 1 } } },
    });
    const it = [first!, second!].find(({ url }) => url.endsWith(receipt.server)) ?? second!;
    const { data } = await jsonOf(fetch(`${it.url}/v1/receipts`));
    const { tokens, flops, bytes } = receipt;
    expect(data).toContainEqual(expect.objectContaining({ model: "tiny", tokens, flops, bytes, estimated: false }));
    expect(receipt.flops.spent).toBeGreaterThan(0);
  }
  const events = (await (await post({ stream: true })).text()).trimEnd().split("\n\n");
  expect(JSON.parse(events.at(-2)!.slice(6)).receipt).toMatchObject({
    tokens: one.receipt.tokens,
    estimated: true,
  });
});

test("savings are forwarded, and the other server's refusals are passed on", async () => {
  const { receipt } = await answered({
    savings: ["xattention:threshold=0.3,blockSize=8,stride=4,minLengthForSparse=70"],
    prompt: "a b c ".repeat(30),
  });
  expect(receipt.recipe).toHaveLength(1);
  const refused = await post({ savings: ["nothing"] });
  expect([refused.status, (await jsonOf(refused)).error.message]).toEqual([400, expect.stringContaining("nothing")]);
});

test("`ps` reports how many servers answer", async () => {
  const { stdout } = await modicum(["ps", "--url", front!.url]);
  expect(stdout).toMatch(/small +2 of 2 servers answer +0/);
});

test("a server that dies before its first token is replaced; one that dies after it ends the stream with an error; one that returns is used again", {
  timeout: 200_000,
}, async () => {
  // A stopped server accepts requests but returns no token.
  first!.child.kill("SIGSTOP");
  const two = [answered({}), answered({})];
  await new Promise((resolve) => setTimeout(resolve, 300));
  first!.child.kill("SIGKILL");
  for (const { receipt } of await Promise.all(two)) expect(receipt.server).toBe("second");
  await expect.poll(serversUp).toBe(1);

  // The longest answer that one request may ask for: even a fast machine is still writing it when it is killed.
  const stream = await post({ stream: true, prompt: Array(8).fill("abc"), n: 8, max_tokens: 200 });
  const reader = stream.body!.getReader();
  const beginning = new TextDecoder().decode((await reader.read()).value);
  expect(beginning).toMatch(/^data: \{"id"/);
  second!.child.kill("SIGKILL");
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read())
    rest += new TextDecoder().decode(part.value);
  expect(rest.trimEnd().split("\n\n").slice(-2)).toEqual([expect.stringContaining("broke off"), "data: [DONE]"]);

  await expect.poll(serversUp).toBe(0);
  const none = await post({});
  expect([none.status, (await jsonOf(none)).error.message]).toEqual([
    503,
    "no server of small can be reached; try again later",
  ]);
  const { port } = new URL(first!.url);
  first = await start("first", "--model", tiny, "--port", port);
  await expect.poll(serversUp).toBe(1);
  expect((await answered({})).receipt.server).toBe(`127.0.0.1:${port}`);
});

test("a server that gets a stop signal exits with 0", async () => {
  front!.child.kill("SIGTERM");
  expect(await once(front!.child, "exit")).toEqual([0, null]);
});
