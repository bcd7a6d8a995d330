import { z } from "zod";

/** TRL's name for the weight of a preference. */
export const beta = (fallback: number) => z.coerce.number().positive().default(fallback);
