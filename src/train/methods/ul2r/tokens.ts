import { UserError } from "../../../util/errors.ts";
import { MODES, type Mode, modeToken, sentinelName, type Tokenizer } from "../../../weights/tokenizer/index.ts";

/** The special tokens of a model trained with `sentinels` sentinels: the modes, then the sentinels. */
export const tokensOf = (sentinels: number): string[] => [
  ...MODES.map(modeToken),
  ...Array.from({ length: sentinels }, (_, k) => sentinelName(k)),
];

/** A model's token ids for denoising. */
export interface DenoisingIds {
  readonly modes: Readonly<Record<Mode, number>>;
  /** Sentinels in order; their number limits the number of hidden spans. */
  readonly sentinels: readonly number[];
  /** The token that ends targets; undefined if the model has no end token. */
  readonly end: number | undefined;
}

/** @throws UserError if the tokenizer lacks one of the special tokens */
export function denoisingIds(tokenizer: Tokenizer, sentinels: number): DenoisingIds {
  const id = (name: string): number => {
    const id = tokenizer.specialId(name);
    if (id === undefined) throw new UserError(`${tokenizer.path}: the tokenizer has no special token ${name}`);
    return id;
  };
  return {
    modes: Object.fromEntries(MODES.map((mode) => [mode, id(modeToken(mode))])) as Record<Mode, number>,
    sentinels: Array.from({ length: sentinels }, (_, k) => id(sentinelName(k))),
    end: tokenizer.eos,
  };
}
