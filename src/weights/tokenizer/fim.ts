/** Tokens of a model that was trained to fill in the middle of a text: before what precedes it, before what follows it, and before itself. */
export interface Fim {
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
}

/** By the names of Qwen's, StarCoder's, SantaCoder's, DeepSeek's and Code Llama's tokens. */
const NAMES = [
  ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
  ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
  ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
  ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
  ["▁<PRE>", "▁<SUF>", "▁<MID>"],
] as const;

/** Undefined where the vocabulary has none of them whole. */
export function fimNamed(tokens: readonly string[]): Fim | undefined {
  for (const names of NAMES) {
    const [prefix, suffix, middle] = names.map((name) => tokens.indexOf(name)) as [number, number, number];
    if (Math.min(prefix, suffix, middle) >= 0) return { prefix, suffix, middle };
  }
  return undefined;
}
