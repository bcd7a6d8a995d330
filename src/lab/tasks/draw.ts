import { seededRandom, shuffle } from "../../util/random.ts";
import type { ItemsFor } from "../task.ts";

/**
 * Shuffles the list in place, by the seed, and returns its first `limit` items. A smaller limit returns a prefix of
 * what a larger one returns.
 */
export const drawn = <T>(things: T[], { seed, limit = things.length }: Pick<ItemsFor, "seed" | "limit">): T[] =>
  shuffle(things, seededRandom(seed)).slice(0, limit);
