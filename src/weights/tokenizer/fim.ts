/** Tokens for filling in the middle of a text: before the prefix, before the suffix, and before the middle. */
export interface Fim {
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
}

/** Names of Qwen's, StarCoder's, SantaCoder's, DeepSeek's and Code Llama's tokens. */
const NAMES = [
  ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
  ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
  ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
  ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
  ["▁<PRE>", "▁<SUF>", "▁<MID>"],
] as const;

/** Undefined if the vocabulary lacks one of them. */
export function fimNamed(tokens: readonly string[]): Fim | undefined {
  for (const names of NAMES) {
    const [prefix, suffix, middle] = names.map((name) => tokens.indexOf(name)) as [number, number, number];
    if (Math.min(prefix, suffix, middle) >= 0) return { prefix, suffix, middle };
  }
  return undefined;
}
