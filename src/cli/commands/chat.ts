import { createInterface, type Interface } from "node:readline/promises";
import type { Command } from "commander";
import type { ChatMessage, Model, RunOptions } from "../../index.ts";
import { UserError } from "../../util/errors.ts";
import { interruptSignal } from "../interrupt.ts";
import { addSessionFlags, billed, generation, open, type SessionOptions } from "../session.ts";

export function define(command: Command): void {
  addSessionFlags(command).action(chat);
}

/** The part of a model that a chat uses. */
type Answering = Pick<Model, "generate">;

const HINT = "/clear forgets what was said, /exit leaves; Ctrl-C stops an answer, a second one leaves\n";

/** Talks until the user leaves. The engine finds what it has of the earlier turns in its cache by itself. */
export async function chat(options: SessionOptions): Promise<void> {
  const settings = generation(options);
  if (!process.stdin.isTTY) throw new UserError("chat needs a terminal; `modicum run` reads a prompt from stdin");
  const signal = interruptSignal();
  using model = await open(options, signal);
  process.stderr.write(HINT);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    await converse(model, terminal, { ...settings, signal });
  } finally {
    terminal.close();
  }
}

/** Turns, each asked with all that were before it. */
export async function converse(model: Answering, terminal: Interface, settings: RunOptions): Promise<void> {
  let messages: ChatMessage[] = [];
  for (;;) {
    const line = await ask(terminal);
    if (line === undefined || line === "/exit") return;
    if (line === "/clear") messages = [];
    else if (line !== "") {
      const turn: ChatMessage[] = [...messages, { role: "user", content: line }];
      messages = [...turn, { role: "assistant", content: await answer(model, terminal, turn, settings) }];
    }
  }
}

/** A line of the user's; undefined when they leave by Ctrl-C or Ctrl-D. */
async function ask(terminal: Interface): Promise<string | undefined> {
  const { signal, stop } = stoppedBy(terminal, "SIGINT", "close");
  try {
    return (await terminal.question("> ", { signal })).trim();
  } catch (error) {
    if (!signal.aborted) throw error;
    process.stdout.write("\n");
    return undefined;
  } finally {
    stop();
  }
}

/** Prints the answer as it comes and returns it, or as much of it as there was when Ctrl-C stopped it. */
async function answer(
  model: Answering,
  terminal: Interface,
  messages: readonly ChatMessage[],
  settings: RunOptions,
): Promise<string> {
  const { signal, stop } = stoppedBy(terminal, "SIGINT");
  let said = "";
  const signals = AbortSignal.any([signal, ...(settings.signal ? [settings.signal] : [])]);
  try {
    await billed(async (onStopped) => {
      for await (const { text, receipt } of model.generate(messages, { ...settings, signal: signals, onStopped })) {
        said += text;
        process.stdout.write(receipt ? `${text}\n` : text);
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
  return said;
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
