import { beforeAll, describe, expect, test } from "vitest";
import { type ChatMessage, encodeChat, renderChat } from "./chat.ts";
import type { TokenizerSource } from "./source.ts";
import { fixture, smollm2 } from "./tokenizer.testing.ts";
import { Tokenizer } from "./tokenizer.ts";

interface Chat {
  messages: ChatMessage[];
  addGenerationPrompt: boolean;
  text: string;
  ids: number[];
}

let source: TokenizerSource;
let tokenizer: Tokenizer;
beforeAll(async () => {
  source = await smollm2();
  tokenizer = new Tokenizer(source);
});

const texts = fixture<string[]>("texts");

describe.each(["smollm", "gpt-2", "qwen2", "llama-bpe"])("pre-tokenizer %s", (pre) => {
  test(`${texts.length} texts have transformers' ids`, () => {
    const ids = fixture<number[][]>(`ids-${pre}`);
    const own = new Tokenizer({ ...source, pre });
    const wrong = texts.flatMap((text, i) => {
      const got = own.encode(text);
      return String(got) === String(ids[i]) ? [] : [{ text, got, expected: ids[i] }];
    });
    expect(wrong).toEqual([]);
    expect(ids.length).toBe(texts.length);
    expect(texts.length).toBeGreaterThanOrEqual(200);
  });
});

test("ids come back as the text, but for the bytes that the vocabulary lacks", () => {
  const lacking = [0x04, 0x06, 0x13, 0x14, 0x16, 0x1d, 0xf1, 0xf2];
  for (const text of texts) {
    const bytes = Buffer.from(text).filter((byte) => !lacking.includes(byte));
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
  }
});

test("ids that are no whole characters decode as in transformers", () => {
  for (const { ids, text } of fixture<{ ids: number[]; text: string }[]>("decoded"))
    expect(tokenizer.decode(ids)).toBe(text);
});

test("chats have transformers' text and ids", () => {
  const chats = fixture<Chat[]>("chats");
  for (const { messages, addGenerationPrompt, text, ids } of chats) {
    const segments = renderChat(source.chatTemplate!, messages, {
      addGenerationPrompt,
      specialTokens: tokenizer.specialTokens,
    });
    expect(segments.map((segment) => segment.text).join("")).toBe(text);
    expect(encodeChat(tokenizer, messages, { addGenerationPrompt })).toEqual(ids);
  }
  expect(chats.length).toBeGreaterThan(20);
});

test("a special token typed in a chat is plain text, wherever it stands", () => {
  const control = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<filename>"];
  for (const typed of texts.filter((text) => control.some((token) => text.includes(token)))) {
    const ids = encodeChat(tokenizer, [{ role: "user", content: typed }], { addGenerationPrompt: true });
    // Two turns open and close, and a third opens.
    expect(ids.filter((id) => tokenizer.isSpecial(id))).toEqual([1, 2, 1, 2, 1]);
    expect(tokenizer.decode(ids)).toBe(
      `system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face\nuser\n${typed}\nassistant\n`,
    );
  }
});

test("what the file says of its special tokens", () => {
  const { vocabSize, bos, eos, pad, unk, addBos } = tokenizer;
  expect({ vocabSize, bos, eos, pad, unk, addBos }).toEqual({
    vocabSize: 49152,
    bos: 1,
    eos: 2,
    pad: 2,
    unk: 0,
    addBos: false,
  });
  expect([...tokenizer.stopIds].sort()).toEqual([0, 2]);
  expect(tokenizer.specialTokens.length).toBe(17);
  expect(tokenizer.encode("<|im_start|>user", { special: true })[0]).toBe(1);
});
