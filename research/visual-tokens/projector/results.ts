/** An arm's results on the held-out drawings. */
export interface Arm {
  readonly arm: string;
  /**
   * One digit per drawing: 1 if its caption is likeliest among ten, by nats per token, or by the drawing's gain over
   * the words alone.
   */
  readonly right: string;
  readonly rightOverWords: string;
  /** Nats per token of the drawing's caption. */
  readonly nats: readonly number[];
  /** The mean over all captions' tokens, and the share of `rightOverWords`. */
  readonly natsPerToken: number;
  readonly shareOverWords: number;
  /** The prompt alone, without the encoder: the median of processor milliseconds, and FLOPs. */
  readonly ms: number;
  readonly flops: number;
}

/** The first line of a file of results. */
export interface About {
  /** Visual tokens of a drawing. */
  readonly tokens: number;
  readonly captionTokens: readonly number[];
  readonly layers: number;
  /** Nats of each caption after the prompt's words alone. */
  readonly words: readonly number[];
  readonly encoder: { readonly ms: number; readonly flops: number };
  readonly machine: string;
}

/** Nats per token, from captions' nats and numbers of tokens. */
export const perToken = (parts: readonly (readonly number[])[]): number =>
  parts.reduce((sum, [nats]) => sum + nats!, 0) / parts.reduce((sum, [, tokens]) => sum + tokens!, 0);

/** The nats of an arm's captions, with their tokens. */
export const partsOf = ({ nats }: Pick<Arm, "nats">, { captionTokens }: Pick<About, "captionTokens">) =>
  nats.map((each, i) => [each * captionTokens[i]!, captionTokens[i]!]);
