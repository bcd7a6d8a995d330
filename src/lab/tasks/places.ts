import { textOf } from "../../util/data/bytes.ts";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { corpusOf } from "../data/corpus.ts";
import type { GenerationItem } from "../item.ts";
import type { ItemsFor } from "../task.ts";
import { drawn } from "./draw.ts";

/** An item at a random place in a file's text; undefined if there is no such place. */
export type AtPlace = (text: string, random: () => number) => Omit<GenerationItem, "kind" | "id"> | undefined;

/**
 * Yields one item per file of a corpus, in an order determined by the seed, then further items from the same files.
 * @throws UserError if there are no items, with a message that ends with `lacking`
 */
export async function* itemsAtPlaces(
  corpus: string,
  lacking: string,
  run: ItemsFor,
  itemAt: AtPlace,
): AsyncGenerator<GenerationItem> {
  const { seed, limit } = run;
  const files = drawn(await corpusOf(corpus, run), { seed, limit: undefined });
  let count = 0;
  for (let round = 1; round === 1 || (limit !== undefined && count < limit); round++) {
    for (const { name, path } of files) {
      if (count === limit) return;
      const text = (await textOf(path)).replaceAll("\r\n", "\n");
      const item = itemAt(text, seededRandom(seed * 1_000_003 + count));
      if (item === undefined) continue;
      count++;
      yield { kind: "generation", id: round === 1 ? name : `${name} #${round}`, ...item };
    }
    if (count === 0) throw new UserError(`${corpus}: there is no source file in it ${lacking}`);
  }
}
