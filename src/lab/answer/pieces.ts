import type { Piece } from "../../engine/generate.ts";
import type { Answered } from "./answerer.ts";

/** A generated text, whole. */
export async function collected(pieces: AsyncIterable<Piece>): Promise<Answered> {
  let text = "";
  for await (const piece of pieces) {
    text += piece.text;
    if (piece.finish) return { answer: { text }, flops: piece.finish.usage.flops };
  }
  throw new Error("an answer ended without its bill");
}
