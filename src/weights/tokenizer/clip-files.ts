import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { readJson, readOptionalJson } from "../json-file.ts";
import { withFile } from "../read-file.ts";

const named = z.looseObject({ tokenizer_class: z.string().optional() });
const vocabulary = z.record(z.string(), z.int().min(0));

const [START, END] = ["<|startoftext|>", "<|endoftext|>"];

/** Words, single digits, and runs of other characters. */
const PIECES = `<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+`;

/**
 * The `tokenizer.json` for a CLIP tokenizer published as `vocab.json` and `merges.txt`, as in Stable Diffusion;
 * undefined if the folder has a different tokenizer or none (transformers' `CLIPTokenizer`).
 * @throws UserError
 */
export function clipTokenizerFile(folder: string): object | undefined {
  const [vocab, merges] = [join(folder, "vocab.json"), join(folder, "merges.txt")];
  const config = readOptionalJson(join(folder, "tokenizer_config.json"), named);
  if (config?.tokenizer_class?.startsWith("CLIPTokenizer") !== true || !existsSync(vocab) || !existsSync(merges))
    return undefined;
  const ids = readJson(vocab, vocabulary, "the tokens of a tokenizer");
  const special = (content: string) => {
    const id = ids[content];
    if (id === undefined) throw new UserError(`${vocab}: token ${content} is missing from this CLIP vocabulary`);
    return { id, content, special: true };
  };
  const [start, end] = [special(START), special(END)];
  return {
    added_tokens: [start, end],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Lowercase" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: PIECES }, behavior: "Removed", invert: true },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      ...{ type: "RobertaProcessing", trim_offsets: false, add_prefix_space: false },
      ...{ cls: [start.content, start.id], sep: [end.content, end.id] },
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...{ type: "BPE", unk_token: END, end_of_word_suffix: "</w>" },
      ...{ vocab: ids, merges: mergesIn(merges) },
    },
  };
}

/** The pairs of a merges.txt; its first line is a version. */
function mergesIn(file: string): string[][] {
  const text = withFile(file, ({ size, read }) => read(0, size).toString("utf8"));
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#version"));
  return lines.map((line) => line.trimEnd().split(" "));
}
