import { createInterface } from "node:readline/promises";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ChatMessage, Chunk, Prompt, RunOptions } from "../../index.ts";
import { converse } from "./chat.ts";

const CTRL_C = "\x03";
let stdout = "";
beforeEach(() => {
  stdout = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += text;
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

/** Says "one two three … " until it is stopped, or `words` words; remembers what it was asked. */
function slowModel(words: number) {
  const asked: ChatMessage[][] = [];
  async function* generate(prompt: Prompt, { signal }: RunOptions = {}): AsyncGenerator<Chunk, void> {
    asked.push([...(prompt as ChatMessage[])]);
    for (let i = 0; i < words; i++) {
      await sleep(5);
      signal?.throwIfAborted();
      yield { text: `word${i} `, tokens: [] };
    }
  }
  return { asked, generate };
}

function start(words: number) {
  const model = slowModel(words);
  const input = new PassThrough();
  const terminal = createInterface({ input, output: new PassThrough(), terminal: true });
  return { model, input, talk: converse(model, terminal, {}).finally(() => terminal.close()) };
}

const until = (condition: () => boolean) => vi.waitUntil(condition, { timeout: 5000, interval: 2 });

test("every turn is asked with all before it, until /clear; /exit leaves", async () => {
  const { model, input, talk } = start(2);
  for (const [line, turns] of [
    ["first\r", 1],
    ["second\r", 2],
    ["/clear\r", 2],
    ["third\r", 3],
  ] as const) {
    input.write(line);
    await until(() => model.asked.length === turns && stdout.split("word1").length === turns + 1);
    await sleep(20);
  }
  input.write("/exit\r");
  await talk;
  const assistant = { role: "assistant", content: "word0 word1 " };
  const [first, second, third] = ["first", "second", "third"].map((content) => ({ role: "user", content }));
  expect(model.asked).toEqual([[first], [first, assistant, second], [third]]);
});

test("Ctrl-C stops the answer and keeps what was said; the next one leaves", async () => {
  const { model, input, talk } = start(1_000_000);
  input.write("go on\r");
  await until(() => stdout.includes("word3"));
  input.write(CTRL_C);
  await until(() => stdout.endsWith("\n"));
  await sleep(20);
  input.write("again\r");
  await until(() => model.asked.length === 2);
  expect(model.asked[1]![1]!.content).toMatch(/^word0 word1 word2 word3 /);
  input.write(CTRL_C);
  await until(() => stdout.split("\n").length === 3);
  await sleep(20);
  input.write(CTRL_C);
  await talk;
});

test("the end of the input leaves", async () => {
  const { input, talk } = start(1);
  input.end();
  await talk;
});
