import type { HttpError } from "../../http/errors.ts";
import { usageOf } from "../usage.ts";
import { newResponse, seconds, shownUsage } from "./new-response.ts";
import { OpenCall, OpenMessage, OpenReasoning } from "./open-items.ts";
import type { ItemStatus, OutputItem, Response, ResponseEvent, UnnumberedEvent } from "./output.ts";
import type { CallPiece, Piece } from "./pieces.ts";
import type { ResponsesInput } from "./request.ts";

type OpenItem = OpenMessage | OpenCall | OpenReasoning;

const NOTHING: Pick<Piece, "text" | "logprobs"> = { text: "", logprobs: [] };

/** Turns the pieces of a chat's answer into the events of a response, and into the response itself. */
export class ResponseWriter {
  #response: Response;
  #events = 0;
  readonly #done: OutputItem[] = [];
  #open: OpenItem | undefined;
  /** Text not yet written: white space, which forms no message if a call follows, and incomplete characters. */
  #waiting = NOTHING;
  #reason: string | undefined;
  #reasons = false;

  constructor(input: ResponsesInput) {
    this.#response = newResponse(input);
  }

  /** Converts a chat's whole answer to a response. */
  whole(answer: Piece): Response {
    for (const _ of this.add(answer));
    for (const _ of this.end());
    return this.#response;
  }

  *begin(): Generator<ResponseEvent, void> {
    yield this.#numbered({ type: "response.created", response: this.#response });
    yield this.#numbered({ type: "response.in_progress", response: this.#response });
  }

  *add({ text, reasoning, logprobs, calls, reason, ...end }: Piece): Generator<ResponseEvent, void> {
    if (reasoning !== "") yield* this.#reasoning(reasoning);
    this.#waiting = { text: this.#waiting.text + text, logprobs: [...this.#waiting.logprobs, ...logprobs] };
    const begun = this.#open instanceof OpenMessage;
    if ((begun ? this.#waiting.text : this.#waiting.text.trim()) !== "") yield* this.#write();
    for (const call of calls) yield* this.#call(call);
    this.#reason ??= reason;
    this.#response = { ...this.#response, ...this.#billed(end), ...end.shown };
  }

  #billed({ receipt, reasoningTokens }: Pick<Piece, "receipt" | "reasoningTokens">): Partial<Response> {
    if (!receipt) return {};
    // A chat counts a planner's plan as reasoning; a response has no item for it.
    const reasoning = this.#reasons ? reasoningTokens : undefined;
    return { receipt, usage: shownUsage(usageOf(receipt, 1, { reasoning })) };
  }

  *end(): Generator<ResponseEvent, void> {
    const whole = this.#reason === undefined || ["stop", "tool_calls"].includes(this.#reason);
    const status = whole ? "completed" : "incomplete";
    const empty = this.#done.length === 0 && !this.#open;
    if (empty || this.#open instanceof OpenMessage) yield* this.#write();
    yield* this.#close(status);
    const reason = this.#reason === "length" ? "max_output_tokens" : this.#reason!;
    this.#response = {
      ...this.#response,
      ...{ status, output: this.#done, completed_at: whole ? seconds() : null },
      incomplete_details: whole ? null : { reason },
    };
    yield this.#numbered({ type: `response.${status}`, response: this.#response });
  }

  /** The last event of an answer that breaks off. */
  failed({ message, details: { code = "server_error" } }: HttpError): ResponseEvent {
    const output = [...this.#done, ...(this.#open ? [this.#open.item("incomplete")] : [])];
    this.#response = { ...this.#response, status: "failed", error: { code, message }, output };
    return this.#numbered({ type: "response.failed", response: this.#response });
  }

  /** Adds the waiting text to the open message, or to a new one. */
  *#write(): Generator<ResponseEvent, void> {
    const { text, logprobs } = this.#waiting;
    this.#waiting = NOTHING;
    const message = this.#open instanceof OpenMessage ? this.#open : yield* this.#next((at) => new OpenMessage(at));
    yield* this.#all(message.add(text, logprobs));
  }

  *#reasoning(delta: string): Generator<ResponseEvent, void> {
    this.#reasons = true;
    const item = this.#open instanceof OpenReasoning ? this.#open : yield* this.#next((at) => new OpenReasoning(at));
    yield* this.#all(item.add(delta));
  }

  *#call(piece: CallPiece): Generator<ResponseEvent, void> {
    this.#waiting = NOTHING;
    const isMore = this.#open instanceof OpenCall && this.#open.place === piece.place;
    const call = isMore ? (this.#open as OpenCall) : yield* this.#next((at) => new OpenCall(at, piece));
    yield* this.#all(call.add(piece.arguments));
  }

  /** Closes the open item and opens the next one. */
  *#next<T extends OpenItem>(open: (at: number) => T): Generator<ResponseEvent, T> {
    yield* this.#close("completed");
    const item = open(this.#done.length);
    this.#open = item;
    yield* this.#all(item.begin());
    return item;
  }

  *#close(status: ItemStatus): Generator<ResponseEvent, void> {
    if (!this.#open) return;
    yield* this.#all(this.#open.end(status));
    this.#done.push(this.#open.item(status));
    this.#open = undefined;
  }

  *#all(events: Iterable<UnnumberedEvent>): Generator<ResponseEvent, void> {
    for (const event of events) yield this.#numbered(event);
  }

  #numbered(event: UnnumberedEvent): ResponseEvent {
    return { ...event, sequence_number: this.#events++ };
  }
}
