import { seededRandom, shuffle } from "../../util/random.ts";
import type { ItemsFor } from "../task.ts";

/** Things in an order that the seed decides, the first `limit` of them: fewer are the first ones of more. The list is shuffled in place. */
export const drawn = <T>(things: T[], { seed, limit = things.length }: Pick<ItemsFor, "seed" | "limit">): T[] =>
  shuffle(things, seededRandom(seed)).slice(0, limit);
