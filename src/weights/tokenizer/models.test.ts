import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { type ChatMessage, encodeChat, renderChat } from "./chat.ts";
import { ggufFiles } from "./files.ts";
import { fromFolder } from "./folder.ts";
import type { Json } from "./plain-text.ts";
import type { TokenizerSource } from "./source.ts";
import { TokenStream } from "./stream.ts";
import { byteSource, fixture } from "./tokenizer.testing.ts";
import { Tokenizer } from "./tokenizer.ts";

// Files from tools/reference/tokenizer_models.py: vocabularies reduced to what the texts need, and transformers'
// results for the full ones; and files from tools/reference/tokenizer_trained.py.

interface Chat {
  messages: ChatMessage[];
  tools: Json[] | null;
  addGenerationPrompt: boolean;
  text?: string;
  ids: number[];
  refused?: string;
}

interface Fixture {
  tokenizer: object;
  config: object;
  ids: number[][];
  inputs: { text: string; pair: string | null; ids: number[]; types: number[] }[];
  decoded: { ids: number[]; text: string }[];
  chats: Chat[];
}

interface Gguf {
  size: number;
  kept: number[];
  tokens: string[];
  types: number[];
  scores?: number[];
  merges?: string[];
  fields: Record<string, string & number & boolean>;
  ids?: number[][];
  decoded?: { ids: number[]; text: string }[];
  chats?: Chat[];
}

const read = <T>(name: string): T =>
  JSON.parse(gunzipSync(readFileSync(new URL(`./fixtures/models/${name}.json.gz`, import.meta.url))).toString());
const texts = fixture<string[]>("texts");
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function published({ tokenizer, config }: Fixture): Tokenizer {
  const folder = mkdtempSync(join(tmpdir(), "tokenizer-"));
  folders.push(folder);
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
  return new Tokenizer(fromFolder(folder));
}

/** A GGUF vocabulary of the full size, with unused tokens in the gaps. */
function gguf({ size, kept, tokens, types, scores, merges, fields }: Gguf): TokenizerSource {
  const spread = <T>(values: readonly T[], other: (id: number) => T): T[] => {
    const all = Array.from({ length: size }, (_, id) => other(id));
    kept.forEach((id, i) => {
      all[id] = values[i]!;
    });
    return all;
  };
  const at = (name: string) => fields[`tokenizer.ggml.${name}`];
  return {
    path: "reduced.gguf",
    model: at("model")!,
    pre: at("pre"),
    tokens: spread(tokens, (id) => `\ue000${id}`),
    tokenTypes: spread(types, () => 1),
    scores: scores && spread(scores, () => -1e6),
    merges,
    bos: at("bos_token_id"),
    eos: at("eos_token_id"),
    pad: at("padding_token_id"),
    unk: at("unknown_token_id"),
    addBos: at("add_bos_token"),
    addSpacePrefix: at("add_space_prefix"),
    chatTemplate: fields["tokenizer.chat_template"],
  };
}

function differences(tokenizer: Tokenizer, ids: readonly number[][]) {
  return texts.flatMap((text, i) => {
    const got = tokenizer.encode(text);
    return String(got) === String(ids[i]) ? [] : [{ text, got, expected: ids[i] }];
  });
}

function checkDecoding(tokenizer: Tokenizer, decoded: readonly { ids: number[]; text: string }[]) {
  expect(decoded.length).toBeGreaterThan(0);
  for (const { ids, text } of decoded) {
    expect(tokenizer.decode(ids)).toBe(text);
    const stream = new TokenStream(tokenizer);
    expect(ids.map((id) => stream.push(id)).join("") + stream.flush()).toBe(text);
  }
}

function checkChats(tokenizer: Tokenizer, chats: readonly Chat[]) {
  for (const { messages, tools, addGenerationPrompt, text, ids, refused } of chats) {
    const turns = { addGenerationPrompt, tools: tools ?? undefined };
    if (refused !== undefined) {
      expect(() => encodeChat(tokenizer, messages, turns)).toThrow(/^the chat template cannot render this chat: /);
      continue;
    }
    const { specialTokens, bos, eos } = tokenizer;
    const of = (id: number | undefined) => (id === undefined ? undefined : tokenizer.text(id));
    const options = { ...turns, specialTokens, bos: of(bos), eos: of(eos) };
    const written = renderChat(tokenizer.chatTemplate!, messages, options);
    expect(written.map((segment) => segment.text).join("")).toBe(text);
    expect(encodeChat(tokenizer, messages, turns)).toEqual(ids);
  }
}

describe.each(["minilm", "llama2", "llama3.1", "qwen3", "deepseek-v3", "gpt-oss", "gemma3"])(
  "%s, published",
  (name) => {
    const model = read<Fixture>(name);
    const tokenizer = published(model);

    test(`${texts.length} texts have transformers' ids`, () => {
      expect(differences(tokenizer, model.ids)).toEqual([]);
      expect(model.ids.length).toBe(texts.length);
    });

    test("inputs have the tokens around the texts, and their types", () => {
      for (const { text, pair, ids, types } of model.inputs) {
        expect(tokenizer.input(text, pair === null ? {} : { pair })).toEqual({ ids, types });
      }
    });

    test("ids decode as in transformers, at once and as a stream", () => checkDecoding(tokenizer, model.decoded));

    test("chats have transformers' text and ids, tools too", () => checkChats(tokenizer, model.chats));
  },
);

describe.each(["t5", "xlm-roberta", "roberta", "mistral", "bert-cased", "odd"])(
  "of %s's kind, trained small",
  (name) => {
    const model = read<Fixture>(`trained-${name}`);
    const tokenizer = published(model);

    test("ids, but for special tokens that a text spells: a unigram vocabulary would take them for its own", () => {
      const wrong = differences(tokenizer, model.ids);
      expect(
        wrong.filter(({ expected }) => !expected!.some((id) => tokenizer.isSpecial(id) && id !== tokenizer.unk)),
      ).toEqual([]);
      expect(wrong.length).toBeLessThanOrEqual(1);
      for (const { got } of wrong) expect(got.filter((id) => tokenizer.isSpecial(id))).toEqual([]);
    });
    test("inputs", () => {
      for (const { text, pair, ...input } of model.inputs) {
        expect(tokenizer.input(text, pair === null ? {} : { pair })).toEqual(input);
      }
    });
    test("decoding", () => checkDecoding(tokenizer, model.decoded));
  },
);

describe("Qwen2.5-Coder's GGUF", () => {
  const model = read<Gguf>("qwen2.5-coder.gguf");
  const tokenizer = new Tokenizer(gguf(model));

  test("ids", () => expect(differences(tokenizer, model.ids!)).toEqual([]));
  test("decoding", () => checkDecoding(tokenizer, model.decoded!));
  test("chats, with tools and system variants", () => {
    checkChats(tokenizer, model.chats!);
    expect(model.chats!.filter(({ tools, text }) => tools !== null && text !== undefined).length).toBe(5);
  });
});

describe("MiniLM as llama.cpp's converter writes it", () => {
  const model = read<Fixture & { size: number; tokenizer: { model: { vocab: Record<string, number> } } }>("minilm");
  const tokens = Array.from({ length: model.size }, (_, id) => `▁\ue000${id}`);
  for (const [token, id] of Object.entries(model.tokenizer.model.vocab)) {
    tokens[id] = /^\[.+\]$/.test(token) ? token : token.startsWith("##") ? token.slice(2) : `▁${token}`;
  }
  const tokenTypes = tokens.map((token) => (/^\[(CLS|SEP|PAD|UNK|MASK)\]$/.test(token) ? 3 : 1));
  const roles = { pad: 0, unk: 100, bos: 101, sep: 102, mask: 103 };
  const tokenizer = new Tokenizer({ path: "minilm.gguf", model: "bert", tokens, tokenTypes, ...roles });

  test("ids", () => expect(differences(tokenizer, model.ids)).toEqual([]));
  test("inputs", () => {
    for (const { text, pair, ...input } of model.inputs) {
      expect(tokenizer.input(text, pair === null ? {} : { pair })).toEqual(input);
    }
  });
  test("decoding", () => checkDecoding(tokenizer, model.decoded));
});

describe("Gemma 3's GGUF, which lists scores instead of merges", () => {
  const source = gguf(read<Gguf>("gemma3.gguf"));
  const tokenizer = new Tokenizer(source);
  const model = read<Fixture>("gemma3");

  test("ids equal the published tokenizer's", () => expect(differences(tokenizer, model.ids)).toEqual([]));
  test("decoding", () => checkDecoding(tokenizer, model.decoded));
  test("a prompt begins with bos, and with no space", () => {
    expect(tokenizer.addBos).toBe(true);
    for (const { text, pair, ids } of model.inputs) if (pair === null) expect(tokenizer.input(text).ids).toEqual(ids);
  });
});

test("Gemma 3's GGUF as the files of a folder", () => {
  const files = ggufFiles(gguf(read<Gguf>("gemma3.gguf")));
  const json = (name: string) => JSON.parse(files[name]!);
  const tokenizer = published({
    ...read<Fixture>("gemma3"),
    tokenizer: json("tokenizer.json"),
    config: json("tokenizer_config.json"),
  });
  const model = read<Fixture>("gemma3");
  expect(differences(tokenizer, model.ids)).toEqual([]);
  checkDecoding(tokenizer, model.decoded);
  for (const { text, pair, ids } of model.inputs) if (pair === null) expect(tokenizer.input(text).ids).toEqual(ids);
});

interface UnigramFile {
  added_tokens: { id: number; content: string }[];
  normalizer: { precompiled_charsmap?: string; normalizers?: { precompiled_charsmap?: string }[] };
  model: { vocab: [string, number][] };
}
type Roles = Pick<TokenizerSource, "bos" | "pad" | "eos" | "unk">;

/** A trained Unigram in the format of llama.cpp's converter: control tokens have a score that no piece has. */
function unigramGguf({ tokenizer }: Fixture, roles: Roles): TokenizerSource {
  const { added_tokens, normalizer, model } = tokenizer as UnigramFile;
  const pieces = new Map<number, [string, number]>([
    ...model.vocab.entries(),
    ...added_tokens.map(({ id, content }) => [id, [content, -1000]] as [number, [string, number]]),
  ]);
  const special = new Set(added_tokens.map(({ id }) => id));
  const all = Array.from({ length: pieces.size }, (_, id) => pieces.get(id)!);
  const map = normalizer.precompiled_charsmap ?? normalizer.normalizers?.[0]?.precompiled_charsmap;
  return {
    path: "trained.gguf",
    model: "t5",
    tokens: all.map(([token]) => token),
    tokenTypes: all.map((_, id) => (id === roles.unk ? 2 : special.has(id) ? 3 : 1)),
    scores: all.map(([, score]) => score),
    charsmap: new Uint8Array(Buffer.from(map!, "base64")),
    ...roles,
  };
}

describe("Unigram vocabularies as llama.cpp's converter writes them", () => {
  test.each<[string, Partial<TokenizerSource>, Roles]>([
    ["t5", { removeExtraWhitespaces: false }, { pad: 0, eos: 1, unk: 2 }],
    ["xlm-roberta", { removeExtraWhitespaces: true, addBos: true, addSep: true }, { bos: 0, pad: 1, eos: 2, unk: 3 }],
  ])("%s", (name, flags, roles) => {
    const model = read<Fixture>(`trained-${name}`);
    const tokenizer = new Tokenizer({ ...unigramGguf(model, roles), ...flags });
    const wrong = differences(tokenizer, model.ids);
    expect(
      wrong.filter(({ expected }) => !expected!.some((id) => tokenizer.isSpecial(id) && id !== tokenizer.unk)),
    ).toEqual([]);
    expect(wrong.length).toBeLessThanOrEqual(1);
    for (const { text, pair, ids } of model.inputs)
      expect(tokenizer.input(text, pair === null ? {} : { pair }).ids).toEqual(ids);
    checkDecoding(tokenizer, model.decoded);
  });

  test("a list of scores that is too short is refused", () => {
    const source = { ...unigramGguf(read<Fixture>("trained-t5"), { unk: 2 }), scores: [1] };
    expect(() => new Tokenizer(source)).toThrow(
      /^trained\.gguf: tokenizer\.ggml\.scores has 1 entries for \d+ tokens$/,
    );
  });
});

test("RoBERTa's GGUF writes its separators between two texts, ModernBERT's one", () => {
  const frame = { bos: 256, eos: 257, addBos: true, addEos: true, addSep: true };
  const ids = (pre: string) =>
    new Tokenizer(byteSource(["<s>", "</s>"], { ...frame, pre })).input("a", { pair: "b" }).ids;
  const [a, b] = [97, 98];
  expect(ids("roberta-bpe")).toEqual([256, a, 257, 257, b, 257]);
  expect(ids("modern-bert")).toEqual([256, a, 257, b, 257]);
});
