import { UserError } from "../../../util/errors.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { MODES, type ModeToken } from "./denoisers.ts";

/** T5's name of a sentinel, which stands for the k-th hidden span. */
export const sentinelName = (k: number): string => `<extra_id_${k}>`;

/** The tokens of a model that is trained with `sentinels`: the modes, then the sentinels. */
export const tokensOf = (sentinels: number): string[] => [
  ...Object.values(MODES),
  ...Array.from({ length: sentinels }, (_, k) => sentinelName(k)),
];

/** A model's ids of the tokens that denoising needs. */
export interface DenoisingIds {
  readonly modes: Readonly<Record<ModeToken, number>>;
  /** In order; their number is the largest of hidden spans. */
  readonly sentinels: readonly number[];
  /** Ends targets; undefined if the model has no token that ends texts. */
  readonly end: number | undefined;
}

/** @throws UserError if the tokenizer lacks one of them */
export function denoisingIds(tokenizer: Tokenizer, sentinels: number): DenoisingIds {
  const id = (name: string): number => {
    const found = tokenizer.specialId(name);
    if (found === undefined) throw new UserError(`${tokenizer.path}: there is no special token ${name}`);
    return found;
  };
  const modes = Object.fromEntries(Object.values(MODES).map((mode) => [mode, id(mode)]));
  return {
    modes: modes as Record<ModeToken, number>,
    sentinels: Array.from({ length: sentinels }, (_, k) => id(sentinelName(k))),
    end: tokenizer.eos,
  };
}
