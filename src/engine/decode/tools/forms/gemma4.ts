import { isObject, jsonIn } from "../../../../weights/json.ts";
import type { ChatMessage } from "../../../../weights/tokenizer/index.ts";
import { allOf, type CallForm, callOf } from "./form.ts";

const [OPEN, CLOSE, QUOTE] = ["<|tool_call>", "<tool_call|>", '<|"|>'] as const;

/** Gemma 4: `call:f{a:<|"|>b<|"|>,n:[1,true]}`, with unescaped strings between special quotes. */
export const gemma4Calls: CallForm = {
  ...{ open: OPEN, close: CLOSE, inside: [QUOTE] },
  matches: (template) => template.includes(OPEN),
  read(text) {
    const [, name, rest] = /^\s*call:([\w.-]+)(\{.*\})\s*$/s.exec(text) ?? [];
    return allOf([rest === undefined ? undefined : callOf(name, objectIn(rest))]);
  },
  turns: (template, turns) => (template.includes("tool_responses") ? withResults(turns) : turns),
};

/** The object that a text describes; undefined if the text is not an object. */
function objectIn(text: string): unknown {
  try {
    return new Reader(text).whole();
  } catch (error) {
    if (error instanceof NotAValue) return undefined;
    throw error;
  }
}

/** The maximum nesting depth of values. */
const MOST_DEPTH = 64;

class NotAValue extends Error {}

class Reader {
  #at = 0;
  #depth = 0;

  constructor(private readonly text: string) {}

  whole(): unknown {
    const value = this.#value();
    this.#space();
    if (this.#at < this.text.length) throw new NotAValue();
    return value;
  }

  #value(): unknown {
    if (++this.#depth > MOST_DEPTH) throw new NotAValue();
    this.#space();
    const value = this.#takeValue();
    this.#depth--;
    return value;
  }

  #takeValue(): unknown {
    if (this.#next("{")) return Object.fromEntries(this.#listed("}", () => [this.#key(), this.#value()] as const));
    if (this.#next("[")) return this.#listed("]", () => this.#value());
    return this.#quoted() ?? this.#word();
  }

  /** A key, quoted or bare, and the colon after it. */
  #key(): string {
    this.#space();
    const key = this.#quoted() ?? this.#upTo(/[^:,{}[\]]*/y).trim();
    if (key === "" || !this.#next(":")) throw new NotAValue();
    return key;
  }

  #quoted(): string | undefined {
    if (!this.#next(QUOTE)) return undefined;
    const end = this.text.indexOf(QUOTE, this.#at);
    if (end < 0) throw new NotAValue();
    const value = this.text.slice(this.#at, end);
    this.#at = end + QUOTE.length;
    return value;
  }

  /** A number, a boolean or null, in JSON or Python syntax. */
  #word(): unknown {
    const word = this.#upTo(/[^,{}[\]]*/y).trim();
    const value = word === "None" ? null : jsonIn(word);
    if (value === undefined) throw new NotAValue();
    return value;
  }

  #listed<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.#next(close)) {
      if (items.length > 0 && !this.#next(",")) throw new NotAValue();
      items.push(item());
    }
    return items;
  }

  #upTo(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ""] = pattern.exec(this.text) ?? [];
    this.#at += found.length;
    return found;
  }

  #next(text: string): boolean {
    this.#space();
    if (!this.text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #space(): void {
    this.#upTo(/\s*/y);
  }
}

interface Call {
  readonly id?: string;
  readonly function: { readonly name: string };
}

/**
 * Call results are placed in the turn of their calls, in the same order: templates read them there as `tool_responses`.
 */
function withResults(turns: readonly ChatMessage[]): ChatMessage[] {
  const all: ChatMessage[] = [];
  for (const [at, turn] of turns.entries()) {
    if (turn.role === "tool" && all.at(-1)?.["tool_responses"]) continue;
    const calls = (turn["tool_calls"] ?? []) as unknown as readonly Call[];
    const next = turns.findIndex((it, i) => i > at && it.role !== "tool");
    const results = turns.slice(at + 1, next < 0 ? undefined : next);
    if (calls.length === 0 || results.length === 0) {
      all.push(turn);
      continue;
    }
    const { content, ...rest } = turn;
    // A text after the results would end the model's turn.
    if (content) all.push({ role: turn.role, content });
    all.push({ ...rest, content: "", tool_responses: responsesTo(calls, results) } as unknown as ChatMessage);
  }
  return all;
}

/** Results with their calls' names. A result's call is the call with its id, else with its name, else the next call. */
function responsesTo(calls: readonly Call[], results: readonly ChatMessage[]) {
  const open = new Set(calls);
  const pairs = results.map((result) => {
    const call =
      calls.find(({ id }) => id !== undefined && id === result["tool_call_id"]) ??
      [...open].find(({ function: { name } }) => name === result["name"]) ??
      [...open][0];
    if (call) open.delete(call);
    return { place: call ? calls.indexOf(call) : calls.length, name: call?.function.name, response: resultOf(result) };
  });
  return pairs.toSorted((a, b) => a.place - b.place).map(({ name, response }) => ({ name, response }));
}

const resultOf = ({ content }: ChatMessage): unknown => {
  const value = typeof content === "string" ? jsonIn(content) : undefined;
  return isObject(value) ? value : content;
};
