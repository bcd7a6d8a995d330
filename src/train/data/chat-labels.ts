import { UserError } from "../../util/errors.ts";
import {
  type ChatMessage,
  chatSegments,
  type Gap,
  type Json,
  type Segment,
  type Tokenizer,
} from "../../weights/tokenizer/index.ts";

/** Characters of a chat's text, `from` inclusive, `to` exclusive. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** A separately encoded segment of a chat's text, and whether its tokens are labels. */
export interface LabelledSegment extends Segment {
  readonly labelled: boolean;
}

export interface ChatTurns {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly Json[] | undefined;
  /** True to label the content of every turn but the system's. */
  readonly unmask?: boolean;
  /** The index of the first turn with labels; default: 0. */
  readonly from?: number;
  /** Delimiters around an image's token, which templates do not write. */
  readonly gap?: Gap | undefined;
}

/**
 * Renders a chat with the model's own template and labels the assistant's parts: from where generation would begin to
 * the token that would end it, inclusive. The text before an answer is encoded as before generation.
 * @throws UserError if the template does not show where an answer begins and ends
 */
export function labelledChat(tokenizer: Tokenizer, chat: ChatTurns): LabelledSegment[] {
  const rendered = new RenderedChat(tokenizer, chat);
  const spans = chat.messages.flatMap(({ role }, i) => {
    if (i < (chat.from ?? 0)) return [];
    if (role === "assistant") return [rendered.answer(i)];
    const content = chat.unmask && role !== "system" ? rendered.content(i) : undefined;
    return content ? [content] : [];
  });
  return cutAt(rendered.segments, spans);
}

/** A chat rendered by its template. Turns are located by changing the chat and comparing the texts. */
class RenderedChat {
  readonly segments: readonly Segment[];
  readonly #text: string;

  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly chat: ChatTurns,
  ) {
    this.segments = this.#write(this.messages);
    this.#text = textOf(this.segments);
  }

  get messages(): readonly ChatMessage[] {
    return this.chat.messages;
  }

  /** The span that the model would generate in place of an assistant's message. */
  answer(i: number): Span {
    const before = this.messages.slice(0, i);
    const prompt = textOf(this.#write(before, true));
    const from = this.#startOf(sharedStart(this.#text, prompt));
    if (from < prompt.length && from < textOf(this.#write(before)).length)
      throw unclear(i, "renders the turns before it differently once it is added");
    const stop = this.#stopFrom(from);
    const next = this.messages[i + 1] ? this.content(i + 1)?.from : undefined;
    if (stop !== undefined && stop <= (next ?? stop)) return { from, to: stop };
    const to = sharedStart(this.#text, textOf(this.#write(this.messages.slice(0, i + 1))));
    if (to > from) return { from, to };
    throw unclear(i, "does not show where the answer ends");
  }

  /** The span of a message's own text; undefined if the template omits it. */
  content(i: number): Span | undefined {
    if (typeof this.messages[i]!.content !== "string") return undefined;
    const other = OTHER.find((mark) => !this.#text.includes(mark));
    if (other === undefined)
      throw new UserError(`messages[${i}]: the chat contains all of the noncharacters U+FDE0 to U+FDE2; remove one`);
    const changed = textOf(this.#write(this.messages.with(i, { ...this.messages[i]!, content: other })));
    const from = sharedStart(this.#text, changed);
    const to = this.#text.length - sharedEnd(this.#text, changed);
    return changed.includes(other) && to > from ? { from, to } : undefined;
  }

  #write(messages: readonly ChatMessage[], addGenerationPrompt = false): Segment[] {
    return chatSegments(this.tokenizer, messages, { addGenerationPrompt, tools: this.chat.tools, gap: this.chat.gap });
  }

  /** The end of the first token at or after `from` that ends an answer. */
  #stopFrom(from: number): number | undefined {
    const { stopIds, vocabSize } = this.tokenizer;
    const ends = new Set([...stopIds].filter((id) => id < vocabSize).map((id) => this.tokenizer.text(id)));
    const stop = placed(this.segments).find(({ text, special, at }) => special && at >= from && ends.has(text));
    return stop && stop.at + stop.text.length;
  }

  /** Moves a position inside a special token to the token's start. */
  #startOf(place: number): number {
    const holds = placed(this.segments).find(
      ({ text, special, at }) => special && at < place && place < at + text.length,
    );
    return holds?.at ?? place;
  }
}

/** Characters that no chat contains: Unicode reserves them for a program's internal use. */
const OTHER = ["\ufde0", "\ufde1", "\ufde2"];

const unclear = (i: number, why: string): UserError =>
  new UserError(`messages[${i}]: the chat template ${why}, so the message's tokens cannot be identified`);

const textOf = (segments: readonly Segment[]): string => segments.map(({ text }) => text).join("");

function placed(segments: readonly Segment[]): (Segment & { at: number })[] {
  let at = 0;
  return segments.map((segment) => {
    const here = { ...segment, at };
    at += segment.text.length;
    return here;
  });
}

function sharedStart(a: string, b: string): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

function sharedEnd(a: string, b: string): number {
  let n = 0;
  while (n < a.length && n < b.length && a[a.length - 1 - n] === b[b.length - 1 - n]) n++;
  return n;
}

/** Splits segments at the bounds of spans. */
function cutAt(segments: readonly Segment[], spans: readonly Span[]): LabelledSegment[] {
  return placed(segments).flatMap(({ text, special, at }) => {
    const inside = spans.flatMap(({ from, to }) => [from - at, to - at]).filter((n) => n > 0 && n < text.length);
    const cuts = [0, ...(special ? [] : inside), text.length];
    return cuts.slice(1).map((to, i) => {
      const from = cuts[i]!;
      const labelled = spans.some((span) => span.from <= at + from && at + to <= span.to);
      return { text: text.slice(from, to), special, labelled };
    });
  });
}
