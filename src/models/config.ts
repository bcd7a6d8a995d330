import type { z } from "zod";
import { ROTARY_STEP } from "../graph/index.ts";
import { UserError } from "../util/errors.ts";
import type { ConfigSource } from "../weights/checkpoint.ts";

interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

/** Checks a configuration's values; throws a UserError that names the field, what it holds and what was expected. */
export function checkConfig<T extends Heads>(schema: z.ZodType<T>, { path: file }: ConfigSource, values: unknown): T {
  const result = schema.safeParse(values);
  if (!result.success) {
    const { path, message } = result.error.issues[0]!;
    throw new UserError(`${file}: the model's ${path.join(".")}: ${message}`);
  }
  const { heads, kvHeads, headSize } = result.data;
  if (heads % kvHeads !== 0)
    throw new UserError(`${file}: ${heads} attention heads cannot share ${kvHeads} key-value heads evenly`);
  if (headSize % ROTARY_STEP !== 0)
    throw new UserError(`${file}: the head size must be a multiple of ${ROTARY_STEP}, got ${headSize}`);
  return result.data;
}
