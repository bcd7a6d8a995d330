import { z } from "zod";
import { component, kind } from "./component.ts";
import { compile, patternSchema, SPACE } from "./pattern.ts";
import { precompiled } from "./precompiled.ts";

/** Rewrites a text before it is cut into words. */
export type Normalizer = (text: string) => string;

const form = (name: "NFC" | "NFD" | "NFKC" | "NFKD") => kind(z.unknown(), () => (text: string) => text.normalize(name));

/** Lowercases character by character, as in Rust, so that a final sigma gets no special form. */
const lower: Normalizer = (text) =>
  /Σ/.test(text) ? Array.from(text, (c) => c.toLowerCase()).join("") : text.toLowerCase();

const kinds = {
  NFC: form("NFC"),
  NFD: form("NFD"),
  NFKC: form("NFKC"),
  NFKD: form("NFKD"),
  Lowercase: kind(z.unknown(), () => lower),
  StripAccents: kind(z.unknown(), () => (text: string) => text.replace(/\p{M}/gu, "")),
  Strip: kind(z.object({ strip_left: z.boolean(), strip_right: z.boolean() }), (options): Normalizer => {
    const ends = [options.strip_left && `^${SPACE}+`, options.strip_right && `${SPACE}+$`].filter(Boolean);
    return (text) => text.replace(new RegExp(ends.join("|") || "(?!)", "gu"), "");
  }),
  Prepend: kind(
    z.object({ prepend: z.string() }),
    ({ prepend }): Normalizer =>
      (text) =>
        text === "" ? "" : prepend + text,
  ),
  Replace: kind(z.object({ pattern: patternSchema, content: z.string() }), ({ pattern, content }): Normalizer => {
    const regex = compile(pattern);
    return (text) => text.replace(regex, () => content);
  }),
  Precompiled: kind(z.object({ precompiled_charsmap: z.string() }), (options) =>
    precompiled(Buffer.from(options.precompiled_charsmap, "base64")),
  ),
  BertNormalizer: kind(
    z.object({
      clean_text: z.boolean().default(true),
      handle_chinese_chars: z.boolean().default(true),
      strip_accents: z.boolean().nullish(),
      lowercase: z.boolean().default(true),
    }),
    (options) => {
      const steps = [
        options.clean_text && clean,
        options.handle_chinese_chars && isolateChinese,
        (options.strip_accents ?? options.lowercase) && stripMarks,
        options.lowercase && lower,
      ].filter((step) => step !== false);
      return chain(steps);
    },
  ),
  Sequence: kind(z.object({ normalizers: z.array(z.unknown()) }), ({ normalizers }) =>
    chain(normalizers.map(normalizer)),
  ),
};

/** @throws UserError for an unsupported normalizer */
export const normalizer = (specification: unknown): Normalizer => component("normalizer", kinds, specification);

const chain =
  (steps: readonly Normalizer[]): Normalizer =>
  (text) =>
    steps.reduce((rest, step) => step(rest), text);

const UNSEEN = /(?![\t\n\r])[\0\ufffd\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu;
const clean: Normalizer = (text) => text.replace(UNSEEN, "").replace(/\p{White_Space}/gu, " ");

/** BERT's list of ideographs (`_is_chinese_char` in its tokenization.py), with the gap in transformers' tokenizers. */
const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;
const isolateChinese: Normalizer = (text) => text.replace(CHINESE, " $& ");

const stripMarks: Normalizer = (text) => text.normalize("NFD").replace(/\p{Mn}/gu, "");
