import { createInterface, type Interface } from "node:readline/promises";
import type { Command } from "commander";
import type { ChatMessage, Model, RunOptions } from "../../index.ts";
import { UserError } from "../../util/errors.ts";
import { report } from "../errors.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  AnswerPrinter,
  addSessionFlags,
  billed,
  generation,
  open,
  type SessionOptions,
  warnOfLoop,
} from "../session.ts";
import { imagesIn, isCommand, leaves, obey, type Talk } from "./chat-commands.ts";

export function define(command: Command): void {
  addSessionFlags(command).action(chat);
  examples(command, "modicum chat", "modicum chat --model qwen2.5-coder --temperature 0.7");
}

/** The part of a model that a chat uses. */
type Answering = Pick<Model, "generate">;

/** A conversation and the model that answers it. */
export interface ChatSession extends Talk {
  readonly answering: Answering;
}

const ALONE = "the adapter was trained on plain text: each line is answered by itself\n";
const HINT = "/help lists the commands, /quit leaves; Ctrl-C stops an answer, a second Ctrl-C leaves\n";

/** Chats until the user leaves. The engine reuses earlier turns from its cache. */
export async function chat(options: SessionOptions): Promise<void> {
  const settings = generation(options);
  if (!process.stdin.isTTY) throw new UserError("chat needs a terminal; use `modicum run` for a prompt from stdin");
  const signal = interruptSignal();
  using talk = new Conversation(options, await open(options, signal));
  process.stderr.write(talk.plain ? `${ALONE}${HINT}` : HINT);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    await converse(talk, terminal, { ...settings, signal });
  } finally {
    terminal.close();
  }
}

/** A conversation whose model is loaded with the command's options. */
class Conversation implements ChatSession, Disposable {
  messages: ChatMessage[] = [];
  images: string[] = [];

  constructor(
    private options: SessionOptions,
    public answering: Model,
  ) {}

  get sees(): boolean {
    const { loaded } = this.answering;
    return loaded.kind === "decoder" && loaded.vision !== undefined;
  }

  get plain(): boolean {
    const { loaded } = this.answering;
    return "formOf" in loaded && loaded.formOf([{ role: "user", content: "" }]) === "raw";
  }

  get model(): string {
    return this.options.model;
  }

  async change(model: string, signal: AbortSignal): Promise<void> {
    const options = { ...this.options, model };
    const next = await open(options, signal);
    this.answering[Symbol.dispose]();
    [this.options, this.answering] = [options, next];
  }

  [Symbol.dispose](): void {
    this.answering[Symbol.dispose]();
  }
}

/** Reads lines: runs commands, and answers turns, each sent with all earlier turns if the model reads conversations. */
export async function converse(talk: ChatSession, terminal: Interface, settings: RunOptions): Promise<void> {
  for (;;) {
    const line = await ask(terminal, settings.signal);
    if (line === undefined || leaves(line)) return;
    if (isCommand(line)) await command(line, talk, terminal);
    else if (line !== "") {
      const turn: ChatMessage = { role: "user", content: contentOf(line, talk) };
      const messages = talk.plain ? [turn] : [...talk.messages, turn];
      const terms = talk.images.length > 0 ? { ...settings, images: talk.images } : settings;
      const content = await answer(talk.answering, terminal, messages, terms);
      talk.messages = [...talk.messages, turn, { role: "assistant", content }];
    }
  }
}

/** A turn's content: the images that have not been sent, then the line. */
function contentOf(line: string, { messages, images }: Talk): ChatMessage["content"] {
  const count = images.length - imagesIn(messages);
  if (count === 0) return line;
  return [...Array.from({ length: count }, () => ({ type: "image" })), { type: "text", text: line }];
}

/** Runs a command, which Ctrl-C stops. Errors are shown, and the chat continues. */
async function command(line: string, talk: Talk, terminal: Interface): Promise<void> {
  const { signal, stop } = stoppedBy(terminal, "SIGINT");
  try {
    process.stderr.write(`${await obey(line, talk, signal)}\n`);
  } catch (error) {
    report(error, undefined);
  } finally {
    stop();
  }
}

/** A line from the user; undefined when they leave by Ctrl-C or Ctrl-D. @throws the reason of `ending` */
async function ask(terminal: Interface, ending?: AbortSignal): Promise<string | undefined> {
  const { signal, stop } = stoppedBy(terminal, "SIGINT", "close");
  try {
    return (await terminal.question("> ", { signal: AbortSignal.any([signal, ...(ending ? [ending] : [])]) })).trim();
  } catch (error) {
    ending?.throwIfAborted();
    if (!signal.aborted) throw error;
    process.stdout.write("\n");
    return undefined;
  } finally {
    stop();
  }
}

/** Prints the answer as it arrives and returns it, or the part before Ctrl-C. */
async function answer(
  model: Answering,
  terminal: Interface,
  messages: readonly ChatMessage[],
  settings: RunOptions,
): Promise<string> {
  const { signal, stop } = stoppedBy(terminal, "SIGINT");
  let reply = "";
  const printer = new AnswerPrinter();
  const signals = AbortSignal.any([signal, ...(settings.signal ? [settings.signal] : [])]);
  try {
    await billed(async (onStopped) => {
      const terms = { ...settings, signal: signals, onStopped };
      for await (const { receipt, finishReason, ...piece } of model.generate(messages, terms)) {
        reply += piece.text;
        printer.write(piece);
        if (receipt) process.stdout.write("\n");
        warnOfLoop(finishReason);
        if (receipt) return receipt;
      }
      throw new Error("an answer ended without its receipt");
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    process.stdout.write("\n");
  } finally {
    stop();
  }
  return reply;
}

/** A signal that any of the terminal's `events` aborts, until `stop` is called. */
function stoppedBy(terminal: Interface, ...events: ("SIGINT" | "close")[]) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  for (const event of events) terminal.once(event, abort);
  const stop = () => {
    for (const event of events) terminal.off(event, abort);
  };
  return { signal: controller.signal, stop };
}
