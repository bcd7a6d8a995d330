import { HARMONY } from "../../../weights/tokenizer/index.ts";
import { CLOSE, OPEN } from "../tools/tools.ts";
import { type AnswerForm, joinedParts, NOTHING, type PartReader, type Parts } from "./answer-form.ts";

/** The content of a message. */
type Kind = "reasoning" | "text" | "preamble" | "call";

/** A message of an answer, starting at the end of its header. */
interface Message {
  readonly kind: Kind;
  /** The function of a call. */
  readonly name: string;
}

/**
 * Reads an answer of messages in channels, each `header <|message|> body <|end|>`: `analysis` is reasoning, a message
 * to a function is a call, and all other messages are text. A call is returned whole, in the tags that this engine uses
 * for every model's calls.
 */
export class HarmonyReader implements PartReader {
  #message: Message | undefined;
  /** The header so far, or a call's arguments. */
  #held = "";
  /** Parts that have begun; a later message in the same part begins with an empty line. */
  #begun: Record<keyof Parts, boolean> = { text: false, reasoning: false };
  /** True if the next message is not the first of its part. */
  #apart = false;
  /** True once any message has begun. */
  #any = false;

  /** `opening`: the message that the prompt has begun. */
  constructor(private readonly opening?: Message) {
    this.#message = opening;
    this.#any = opening !== undefined;
  }

  get place(): PartReader["place"] {
    const kind = this.#message?.kind;
    if (kind === "reasoning" || kind === "text") return kind;
    // If the prompt begins the call, the entire answer is its arguments.
    return kind === "call" && this.#message === this.opening ? "text" : "aside";
  }

  get call(): string | undefined {
    return this.#message?.kind === "call" ? this.#message.name : undefined;
  }

  push(text: string, mark?: string): Parts {
    const before = this.#body(text);
    switch (mark) {
      case undefined:
        return before;
      case HARMONY.message:
        if (this.#message === undefined) this.#open();
        return before;
      case HARMONY.start:
      case HARMONY.end:
      case HARMONY.call:
      case HARMONY.return:
        return joinedParts(before, this.#close());
      default:
        // `<|channel|>` and `<|constrain|>` belong to headers.
        if (this.#message === undefined) this.#held += mark;
        return before;
    }
  }

  flush(): Parts {
    // An answer without any message has no channels: another model wrote it, or it was cut off.
    if (!this.#any) return { ...NOTHING, text: this.#held.replaceAll(/<\|\w+\|>/g, "") };
    return this.#close();
  }

  fork(): HarmonyReader {
    const copy = new HarmonyReader(this.opening);
    copy.#message = this.#message;
    copy.#held = this.#held;
    copy.#begun = { ...this.#begun };
    copy.#apart = this.#apart;
    copy.#any = this.#any;
    return copy;
  }

  #body(text: string): Parts {
    const { kind } = this.#message ?? {};
    if (text === "") return NOTHING;
    switch (kind) {
      case undefined:
      case "call":
        this.#held += text;
        return NOTHING;
      case "reasoning":
        return { ...NOTHING, reasoning: this.#separated("reasoning", text) };
      case "text":
      case "preamble":
        return { ...NOTHING, text: this.#separated("text", text) };
    }
  }

  #separated(part: keyof Parts, text: string): string {
    const separator = this.#apart && this.#begun[part] ? "\n\n" : "";
    this.#apart = false;
    this.#begun[part] = true;
    return separator + text;
  }

  #open(): void {
    this.#message = messageOf(this.#held);
    this.#held = "";
    this.#apart = true;
    this.#any = true;
  }

  #close(): Parts {
    const message = this.#message;
    const held = this.#held;
    this.#message = undefined;
    this.#held = "";
    return message?.kind === "call" ? { ...NOTHING, text: callText(message, held, message === this.opening) } : NOTHING;
  }
}

const CHANNEL = new RegExp(`${HARMONY.channel.replaceAll("|", "\\|")}\\s*(\\w+)`);

function messageOf(header: string): Message {
  const channel = CHANNEL.exec(header)?.[1] ?? "final";
  const recipient = /\bto=(\S+?)(?=<\||\s|$)/.exec(header)?.[1];
  const name = recipient?.startsWith("functions.") ? recipient.slice("functions.".length) : "";
  if (name !== "") return { kind: "call", name };
  if (channel === "analysis" || recipient !== undefined) return { kind: "reasoning", name };
  return { kind: channel === "commentary" ? "preamble" : "text", name };
}

/** A call in call tags; the prompt contains the opening tag if it begins the call. Invalid JSON becomes text. */
function callText({ name }: Message, body: string, begun: boolean): string {
  const json = body.trim() === "" ? "{}" : body;
  try {
    JSON.parse(json);
  } catch {
    return body;
  }
  return `${begun ? "" : OPEN}\n{"name": ${JSON.stringify(name)}, "arguments": ${json}}\n${CLOSE}`;
}

const MARKS: ReadonlySet<string> = new Set(Object.values(HARMONY));
const CLOSING = `${HARMONY.end}${HARMONY.start}assistant${HARMONY.channel}final${HARMONY.message}`;

/** The division of an answer that has channels; `begun`: the part that the prompt already begins, a call or text. */
export function harmonyForm(begun?: { readonly call: string } | "text"): AnswerForm {
  return { marks: MARKS, calls: true, closing: CLOSING, reader: () => new HarmonyReader(openingOf(begun)) };
}

function openingOf(begun: { readonly call: string } | "text" | undefined): Message | undefined {
  if (begun === undefined) return undefined;
  return begun === "text" ? { kind: "text", name: "" } : { kind: "call", name: begun.call };
}
