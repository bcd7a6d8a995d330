import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ChatMessage, Chunk, Prompt, RunOptions } from "../../index.ts";
import { parts } from "../../ledger/fixtures/parts.testing.ts";
import { makeReceipt } from "../../ledger/receipt.ts";
import { openLedger } from "../../ledger/store.ts";
import { UserError } from "../../util/errors.ts";
import { type ChatSession, converse } from "./chat.ts";

const CTRL_C = "\x03";
const home = mkdtempSync(join(tmpdir(), "modicum-chat-"));
afterAll(() => rmSync(home, { recursive: true }));
let stdout = "";
beforeEach(() => {
  stdout = "";
  vi.stubEnv("MODICUM_HOME", home);
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const receiptOf = (completion: number) => makeReceipt(parts({ tokens: { prompt: 9, cached: 0, completion } }));

/** A model that writes "word0 word1 … ", `words` words or until it is stopped, and records its prompts. */
function slowModel(words: number) {
  const calls: ChatMessage[][] = [];
  async function* generate(prompt: Prompt, { signal, onStopped }: RunOptions = {}): AsyncGenerator<Chunk, void> {
    calls.push([...(prompt as ChatMessage[])]);
    for (let i = 0; i < words; i++) {
      await sleep(5);
      if (signal?.aborted) onStopped?.(receiptOf(i));
      signal?.throwIfAborted();
      yield { text: `word${i} `, tokens: [] };
    }
    yield { text: "", tokens: [], finishReason: "stop", receipt: receiptOf(words) };
  }
  return { asked: calls, generate };
}

/** The number of tokens of each answer in the ledger, the newest first. */
async function ledgered(): Promise<number[]> {
  const ledger = await openLedger(join(home, "receipts.db"));
  const counts = (await ledger.list()).map(({ tokens }) => tokens.completion);
  await ledger.close();
  return counts;
}

function start(words: number, plain = false) {
  const model = slowModel(words);
  const [input, output] = [new PassThrough(), new PassThrough()];
  let shown = "";
  output.on("data", (text) => (shown += text));
  const terminal = createInterface({ input, output, terminal: true });
  /** Resolves when the chat asks for line number `nth`. */
  const asksFor = (nth: number) => until(() => shown.split("> ").length === nth + 1);
  const conversation: ChatSession = {
    ...{ messages: [], images: [], sees: true, plain, model: "slow", answering: model },
    async change(name) {
      if (name !== "other") throw new UserError(`no model is called "${name}"`);
      Object.assign(conversation, { model: name });
    },
  };
  const talk = converse(conversation, terminal, {}).finally(() => terminal.close());
  return { model, conversation, input, asksFor, talk };
}

const until = (condition: () => boolean) => expect.poll(condition, { interval: 2 }).toBe(true);

test("every turn is sent with all earlier ones, until /clear; /exit leaves", async () => {
  const { model, input, asksFor, talk } = start(2);
  for (const [i, line] of ["first\r", "second\r", "/clear\r", "third\r"].entries()) {
    input.write(line);
    await asksFor(i + 2);
  }
  input.write("/exit\r");
  await talk;
  const assistant = { role: "assistant", content: "word0 word1 " };
  const [first, second, third] = ["first", "second", "third"].map((content) => ({ role: "user", content }));
  expect(model.asked).toEqual([[first], [first, assistant, second], [third]]);
  expect(await ledgered()).toEqual([2, 2, 2]);
});

test("an adapter trained on plain text gets each turn alone", async () => {
  const { model, conversation, input, asksFor, talk } = start(1, true);
  for (const [i, line] of ["first\r", "second\r"].entries()) {
    input.write(line);
    await asksFor(i + 2);
  }
  input.write("/exit\r");
  await talk;
  expect(model.asked).toEqual([[{ role: "user", content: "first" }], [{ role: "user", content: "second" }]]);
  expect(conversation.messages).toHaveLength(4);
});

test("Ctrl-C stops the answer and keeps its text; the next one leaves", async () => {
  const { model, input, asksFor, talk } = start(1_000_000);
  input.write("go on\r");
  await until(() => stdout.includes("word3"));
  input.write(CTRL_C);
  await asksFor(2);
  input.write("again\r");
  await until(() => model.asked.length === 2);
  expect(model.asked[1]![1]!.content).toMatch(/^word0 word1 word2 word3 /);
  input.write(CTRL_C);
  await asksFor(3);
  input.write(CTRL_C);
  await talk;
  // Stopped answers are billed for the part that was printed.
  const wordCounts = stdout.split("\n").map((line) => line.split("word").length - 1);
  expect((await ledgered()).slice(0, 2)).toEqual([wordCounts[1], wordCounts[0]]);
});

test("the end of the input leaves", async () => {
  const { input, talk } = start(1);
  input.end();
  await talk;
});

test("commands are run and not sent; errors are shown, and the chat continues", async () => {
  let stderr = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    stderr += text;
    return true;
  });
  const { model, conversation, input, asksFor, talk } = start(1);
  const file = join(home, "saved.json");
  const lines = [
    "hello",
    "/help",
    "/model",
    "/model none",
    "/model other",
    `/save ${file}`,
    `/save ${file}`,
    "/hlp",
    "/",
  ];
  for (const [i, line] of [...lines, "/etc/hosts is a file"].entries()) {
    input.write(`${line}\r`);
    await asksFor(i + 2);
  }
  input.write("/quit\r");
  await talk;
  for (const message of [
    "/save FILE  ",
    "the model is slow\n",
    'error: no model is called "none"\n',
    "the model is other\n",
    `saved 2 messages in ${file}\n`,
    `error: ${file} already exists; expected a new file\n`,
    'error: there is no command /hlp; did you mean "help"?; see /help\n',
    "error: there is no command /; see /help\n",
  ])
    expect(stderr).toContain(message);
  const [first, answer] = conversation.messages;
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ model: "other", messages: [first, answer] });
  expect(model.asked.map((messages) => messages.at(-1)!.content)).toEqual(["hello", "/etc/hosts is a file"]);
});

test("/image adds a picture to the next turn alone, and a chat with one is not saved", async () => {
  let stderr = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    stderr += text;
    return true;
  });
  const { model, input, asksFor, talk, conversation } = start(1);
  const picture = fileURLToPath(new URL("../../models/fixtures/pictures/wide.png", import.meta.url));
  for (const [i, line] of ["/image", `/image ${picture}`, "what is it?", "sure?", "/save /tmp/none.json"].entries()) {
    input.write(`${line}\r`);
    await asksFor(i + 2);
  }
  Object.assign(conversation, { sees: false });
  input.write(`/image ${picture}\r`);
  await asksFor(7);
  input.write("/quit\r");
  await talk;
  const questions = model.asked.map((messages) => messages.at(-1)!.content);
  expect(questions).toEqual([[{ type: "image" }, { type: "text", text: "what is it?" }], "sure?"]);
  expect(conversation.images).toEqual([picture]);
  for (const message of [
    "expected a file: /image FILE",
    "will be sent with your next turn",
    "cannot be saved",
    "reads only text",
  ])
    expect(stderr).toContain(message);
});
