import type { EncoderModel } from "../../engine/encoders/text/encoder-model.ts";
import { onceEach } from "../../util/memo.ts";
import type { Item, RankingItem } from "../item.ts";

/**
 * Counts distinct texts in the items that exceed an encoder's context. A cross-encoder reads a query and a document as
 * one text.
 */
export function overlong(model: EncoderModel, items: readonly Item[]): number {
  const tokens = onceEach((text) => model.tokensOf(text));
  if (model.classifier && items[0]?.kind === "ranking") {
    const room = model.room(2);
    return items.reduce((sum, item) => sum + pairsBeyond(room, item as RankingItem, tokens), 0);
  }
  const room = model.room(1);
  return [...new Set(items.flatMap(textsOf(model)))].filter((text) => tokens(text) > room).length;
}

const pairsBeyond = (room: number, { query, documents }: RankingItem, tokens: (text: string) => number): number =>
  documents.filter(({ text }) => tokens(query) + tokens(text) > room).length;

const textsOf =
  (model: EncoderModel) =>
  (item: Item): readonly string[] => {
    if (item.kind === "ranking") return [item.query, ...item.documents.map(({ text }) => text)];
    if (item.kind === "label") return model.classifier ? [item.text] : [item.text, ...item.labels];
    return [];
  };
