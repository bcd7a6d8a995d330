import { type CallOptions, chosenOf, isForced } from "./calling.ts";
import { FreeReader } from "./free-reader.ts";
import { type AnswerReader, CallReader } from "./reader.ts";

/** The reader of the calls in an answer; undefined if it may have none. */
export function answerReader({ tools = [], toolChoice = "auto" }: CallOptions): AnswerReader | undefined {
  const chosen = chosenOf(tools, toolChoice);
  if (chosen.length === 0) return undefined;
  return isForced(toolChoice) ? new CallReader(true) : new FreeReader(chosen);
}
