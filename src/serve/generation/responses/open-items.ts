import { randomUUID } from "node:crypto";
import type { ItemStatus, Logprobs, OutputItem, UnnumberedEvent } from "./output.ts";
import type { CallPiece } from "./pieces.ts";

export const newId = (kind: string): string => `${kind}_${randomUUID().replaceAll("-", "")}`;

/** A message in progress, with one text part. */
export class OpenMessage {
  readonly #id = newId("msg");
  readonly #logprobs: Logprobs = [];
  #text = "";

  constructor(private readonly index: number) {}

  *begin(): Generator<UnnumberedEvent, void> {
    yield { type: "response.output_item.added", output_index: this.index, item: this.item("in_progress", []) };
    yield { type: "response.content_part.added", ...this.#place, part: this.#part };
  }

  *add(delta: string, logprobs: Logprobs): Generator<UnnumberedEvent, void> {
    if (delta === "" && logprobs.length === 0) return;
    this.#text += delta;
    this.#logprobs.push(...logprobs);
    yield { type: "response.output_text.delta", ...this.#place, delta, logprobs };
  }

  *end(status: ItemStatus): Generator<UnnumberedEvent, void> {
    const { text, logprobs } = this.#part;
    yield { type: "response.output_text.done", ...this.#place, text, logprobs };
    yield { type: "response.content_part.done", ...this.#place, part: this.#part };
    yield { type: "response.output_item.done", output_index: this.index, item: this.item(status) };
  }

  item(status: ItemStatus, content = [this.#part]): OutputItem {
    return { type: "message", id: this.#id, role: "assistant", status, content };
  }

  get #part() {
    return { type: "output_text" as const, text: this.#text, annotations: [], logprobs: [...this.#logprobs] };
  }

  get #place() {
    return { output_index: this.index, item_id: this.#id, content_index: 0 };
  }
}

/** Reasoning in progress. */
export class OpenReasoning {
  readonly #id = newId("rs");
  #text = "";

  constructor(private readonly index: number) {}

  *begin(): Generator<UnnumberedEvent, void> {
    yield { type: "response.output_item.added", output_index: this.index, item: this.item("in_progress", []) };
    yield { type: "response.content_part.added", ...this.#place, part: this.#part };
  }

  *add(delta: string): Generator<UnnumberedEvent, void> {
    this.#text += delta;
    yield { type: "response.reasoning_text.delta", ...this.#place, delta };
  }

  *end(status: ItemStatus): Generator<UnnumberedEvent, void> {
    yield { type: "response.reasoning_text.done", ...this.#place, text: this.#text };
    yield { type: "response.content_part.done", ...this.#place, part: this.#part };
    yield { type: "response.output_item.done", output_index: this.index, item: this.item(status) };
  }

  item(status: ItemStatus, content = [this.#part]): OutputItem {
    return { type: "reasoning", id: this.#id, status, summary: [], content };
  }

  get #part() {
    return { type: "reasoning_text" as const, text: this.#text };
  }

  get #place() {
    return { output_index: this.index, item_id: this.#id, content_index: 0 };
  }
}

/** A call in progress. */
export class OpenCall {
  /** The call's index among the answer's tool calls. */
  readonly place: number;
  readonly #id = newId("fc");
  readonly #callId: string;
  readonly #name: string;
  #arguments = "";

  constructor(
    private readonly index: number,
    { place, id, name }: CallPiece,
  ) {
    this.place = place;
    this.#callId = id ?? newId("call");
    this.#name = name;
  }

  *begin(): Generator<UnnumberedEvent, void> {
    yield { type: "response.output_item.added", output_index: this.index, item: this.item("in_progress") };
  }

  *add(delta: string): Generator<UnnumberedEvent, void> {
    if (delta === "") return;
    this.#arguments += delta;
    yield { type: "response.function_call_arguments.delta", ...this.#place, delta };
  }

  *end(status: ItemStatus): Generator<UnnumberedEvent, void> {
    yield { type: "response.function_call_arguments.done", ...this.#place, ...this.#nameAndArguments };
    yield { type: "response.output_item.done", output_index: this.index, item: this.item(status) };
  }

  item(status: ItemStatus): OutputItem {
    return { type: "function_call", id: this.#id, call_id: this.#callId, ...this.#nameAndArguments, status };
  }

  get #nameAndArguments() {
    return { name: this.#name, arguments: this.#arguments };
  }

  get #place() {
    return { output_index: this.index, item_id: this.#id };
  }
}
