import { seededRandom, shuffle } from "../../util/random.ts";
import type { ItemsFor } from "../task.ts";

/**
 * Items in an order determined by the seed, the first `limit` of them: a smaller limit takes the first items. The list
 * is shuffled in place.
 */
export const drawn = <T>(things: T[], { seed, limit = things.length }: Pick<ItemsFor, "seed" | "limit">): T[] =>
  shuffle(things, seededRandom(seed)).slice(0, limit);
