import { UserError } from "../../../util/errors.ts";
import { type ChatMessage, chatSegments, type Tokenizer } from "../../../weights/tokenizer/index.ts";

/** Stands for a turn's text. */
const MARK = "mark";

const known = new WeakMap<Tokenizer, boolean>();

/** A chat as a model's template reads it: many templates of models that read images see no text outside parts. */
export const readableTurns = (tokenizer: Tokenizer, turns: readonly ChatMessage[]): readonly ChatMessage[] =>
  showsTexts(tokenizer)
    ? turns
    : turns.map((turn) => (typeof turn.content === "string" ? { ...turn, content: partsOf(turn) } : turn));

/** A turn's content as parts. */
export const partsOf = ({ content }: ChatMessage) =>
  Array.isArray(content) ? content : [{ type: "text", text: content }];

function showsTexts(tokenizer: Tokenizer): boolean {
  const shows = known.get(tokenizer) ?? rendered(tokenizer).includes(MARK);
  known.set(tokenizer, shows);
  return shows;
}

/** A text's turn by the template; nothing if it refuses one. */
function rendered(tokenizer: Tokenizer): string {
  try {
    const segments = chatSegments(tokenizer, [{ role: "user", content: MARK }], { addGenerationPrompt: true });
    return segments.map(({ text }) => text).join("");
  } catch (error) {
    if (error instanceof UserError) return "";
    throw error;
  }
}
