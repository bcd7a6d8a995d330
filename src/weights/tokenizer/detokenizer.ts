import { z } from "zod";
import { literal } from "../../util/wildcard.ts";
import { bytesOfToken } from "./alphabet.ts";
import { component, kind } from "./component.ts";
import { compile, patternSchema } from "./pattern.ts";

/** The text that a token adds; `first` is true for the first token shown. */
export type Detokenizer = (token: string, first: boolean) => Uint8Array | string;

/** SentencePiece's rule: ▁ means a space, and `<0xE2>` a byte. `strip`: the first token's leading space is not shown. */
export function spaced(strip: boolean): Detokenizer {
  return (token, first) => {
    const text = byteOf(token) ?? token.replaceAll("▁", " ");
    return typeof text === "string" && strip && first && text.startsWith(" ") ? text.slice(1) : text;
  };
}

const BYTE = /^<0x([0-9A-Fa-f]{2})>$/;

function byteOf(token: string): Uint8Array | undefined {
  const found = token.length === 6 ? BYTE.exec(token) : null;
  return found === null ? undefined : Uint8Array.of(Number.parseInt(found[1]!, 16));
}

/** BERT's rule: a token is a word, unless it begins with `prefix`. */
export function words(prefix: string, cleanup: boolean): Detokenizer {
  return (token, first) => {
    const text = first ? token : prefix !== "" && token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
    // In a single token, Hugging Face's clean-up has nothing else to change.
    return cleanup ? text.replace(/^ ([.?!,]|n't|'m|'s|'ve|'re)/, "$1") : text;
  };
}

interface Step {
  /** Converts a token that is not a byte. */
  text?: (text: string, first: boolean) => string;
  bytes?: true;
}

const steps = {
  Replace: kind(z.object({ pattern: patternSchema, content: z.string() }), ({ pattern, content }): Step => {
    const regex = compile(pattern);
    return { text: (text) => text.replace(regex, () => content) };
  }),
  ByteFallback: kind(z.unknown(), (): Step => ({ bytes: true })),
  Fuse: kind(z.unknown(), (): Step => ({})),
  Strip: kind(
    z.object({ content: z.string(), start: z.int().min(0), stop: z.literal(0) }),
    ({ content, start }): Step => {
      const leading = new RegExp(`^(?:${literal(content)}){0,${start}}`, "u");
      return { text: (text, first) => (first ? text.replace(leading, "") : text) };
    },
  ),
};

const kinds = {
  ByteLevel: kind(z.unknown(), (): Detokenizer => bytesOfToken),
  WordPiece: kind(z.object({ prefix: z.string(), cleanup: z.boolean() }), ({ prefix, cleanup }) =>
    words(prefix, cleanup),
  ),
  Metaspace: kind(
    z.object({
      replacement: z.string(),
      prepend_scheme: z.string().optional(),
      add_prefix_space: z.boolean().optional(),
    }),
    ({ replacement, prepend_scheme, add_prefix_space }): Detokenizer => {
      const drops = prepend_scheme !== "never" && add_prefix_space !== false;
      return (token, first) => token.replaceAll(replacement, first && drops ? "" : " ");
    },
  ),
  Sequence: kind(z.object({ decoders: z.array(z.unknown()) }), ({ decoders }): Detokenizer => {
    const list = decoders.map((decoder) => component<Step>("decoder", steps, decoder));
    const bytes = list.some((step) => step.bytes);
    return (token, first) =>
      (bytes ? byteOf(token) : undefined) ?? list.reduce((text, step) => step.text?.(text, first) ?? text, token);
  }),
};

/** Reads the `decoder` of a tokenizer.json. @throws UserError if it is not supported */
export const detokenizerOf = (specification: unknown): Detokenizer =>
  specification === null || specification === undefined
    ? (token, first) => (first ? token : ` ${token}`)
    : component<Detokenizer>("decoder", kinds, specification);
