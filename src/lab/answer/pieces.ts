import type { Piece, Usage } from "../../engine/generate.ts";
import type { Answered } from "./answerer.ts";

/** What of a bill a result tells. */
export const bill = ({ flops, bytes }: Pick<Usage, "flops" | "bytes">): Omit<Answered, "answer"> => ({ flops, bytes });

/** A generated text, whole. */
export async function collected(pieces: AsyncIterable<Piece>): Promise<Answered> {
  let text = "";
  for await (const piece of pieces) {
    text += piece.text;
    if (piece.finish) return { answer: { text }, ...bill(piece.finish.usage) };
  }
  throw new Error("an answer ended without its bill");
}
