import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Quant } from "../src/weights/prepared/weights.ts";

/** The commands of a bench's child: each one's arguments and answer. Seconds are measured inside the child. */
export interface Commands {
  /** `context`: tokens of each of `sequences` (default 1); `quant`: the form to which our engine rounds the weights. */
  load: { args: { model: string; context: number; sequences?: number; quant?: Quant }; answer: { seconds: number } };
  /** Evaluates the tokens from an empty cache. */
  prefill: { args: { tokens: number[] }; answer: { seconds: number } };
  /**
   * Greedy: `seconds` is the time of `n` steps after the first token, which comes from the prompt's run; the text
   * continues past an end token.
   */
  decode: { args: { tokens: number[]; n: number }; answer: { seconds: number; tokens: number[] } };
  /** Like `decode`, for several sequences that advance together; `tokens` per sequence. */
  decodeBatch: { args: { prompts: number[][]; n: number }; answer: { seconds: number; tokens: number[][] } };
  /** The peak resident memory of this process, in bytes. */
  peak: { args: Record<string, never>; answer: { bytes: number } };
}
export type Name = keyof Commands;
export type Args<N extends Name> = Commands[N]["args"];
export type Answer<N extends Name> = Commands[N]["answer"];

type Handler<N extends Name> = (args: Args<N>) => Promise<Answer<N>>;

/** The commands that each engine implements. */
export type Handlers = { [N in "load" | "prefill" | "decode"]: Handler<N> } & { decodeBatch?: Handler<"decodeBatch"> };

/** A request line of JSON, and its answer. */
export type Request = { [N in Name]: { command: N } & Args<N> }[Name];
export type Reply = { ok: unknown } | { error: string };

/** Answers commands, a line of JSON each, until stdin ends. */
export async function serve(handlers: Handlers): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const reply = await answer(handlers, JSON.parse(line)).then(
      (ok): Reply => ({ ok }),
      (error: unknown): Reply => ({ error: error instanceof Error ? error.message : String(error) }),
    );
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}

function answer(handlers: Handlers, request: Request): Promise<unknown> {
  switch (request.command) {
    case "load":
      return handlers.load(request);
    case "prefill":
      return handlers.prefill(request);
    case "decode":
      return handlers.decode(request);
    case "decodeBatch":
      return (handlers.decodeBatch ?? oneAtATime)(request);
    case "peak":
      return Promise.resolve({ bytes: peakResident() });
  }
}

const oneAtATime = () => Promise.reject(new Error("this engine decodes one sequence, and several were requested"));

/** Linux's high-water mark. getrusage's figure would do, but it is inherited from the parent through exec. */
export function peakResident(): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
  if (!line) throw new Error("/proc/self/status has no VmHWM");
  return Number(line[1]) * 1024;
}

export const seconds = (since: number): number => (performance.now() - since) / 1000;
