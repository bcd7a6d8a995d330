import { beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { StopStrings } from "./stop.ts";
import { TokenStream } from "./stream.ts";
import { byteSource, fixture, smollm2 } from "./tokenizer.testing.ts";
import { Tokenizer } from "./tokenizer.ts";

function deltas(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const stream = new TokenStream(tokenizer);
  return [...ids.map((id) => stream.push(id)), stream.flush()];
}

describe("one byte a token", () => {
  const tokenizer = new Tokenizer(byteSource(["<s>", "</s>"]));
  const bytes = (text: string) => [...Buffer.from(text)];

  test("a character is shown when its last byte has come", () => {
    expect(deltas(tokenizer, bytes("aé字😀!"))).toEqual(["a", "", "é", "", "", "字", "", "", "", "😀", "!", ""]);
  });

  test("special tokens are not shown, and do not part a character", () => {
    expect(deltas(tokenizer, [256, 0xc3, 257, 0xa9, 257])).toEqual(["", "", "", "é", "", ""]);
  });

  test("half a character at the end is U+FFFD, and one in the middle as soon as it is known", () => {
    expect(deltas(tokenizer, [0x61, 0xf0, 0x9f])).toEqual(["a", "", "", "\ufffd"]);
    expect(deltas(tokenizer, [0xe5, 0x61, 0xff])).toEqual(["", "\ufffda", "\ufffd", ""]);
  });

  test("a byte order mark is a character like any other", () => {
    expect(deltas(tokenizer, bytes("\ufeffa")).join("")).toBe("\ufeffa");
  });

  test("random bytes come out as decode has them", () => {
    const next = seededRandom(5);
    for (let i = 0; i < 500; i++) {
      const ids = Array.from({ length: 30 }, () =>
        next() < 0.3 ? Math.floor(next() * 258) : 0x80 + Math.floor(next() * 0x80),
      );
      expect(deltas(tokenizer, ids).join("")).toBe(tokenizer.decode(ids));
    }
  });
});

describe("SmolLM2", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = new Tokenizer(await smollm2());
  });
  const texts = fixture<string[]>("texts");

  test("the deltas of every text make the text, with no half character among them", () => {
    for (const text of texts) {
      const ids = tokenizer.encode(text);
      const parts = deltas(tokenizer, ids);
      const whole = tokenizer.decode(ids);
      expect(parts.join("")).toBe(whole);
      if (!whole.includes("\ufffd")) expect(parts.join("|")).not.toContain("\ufffd");
    }
  });

  test("ids at random, whose bytes are seldom whole characters", () => {
    for (const { ids, text } of fixture<{ ids: number[]; text: string }[]>("decoded")) {
      expect(deltas(tokenizer, ids).join("")).toBe(text);
    }
  });

  test("stop strings cut where indexOf finds them in the whole text", () => {
    const next = seededRandom(11);
    for (const text of texts.filter((text) => Array.from(text).length > 8)) {
      const ids = tokenizer.encode(text);
      const whole = tokenizer.decode(ids);
      const characters = Array.from(whole);
      const at = Math.floor(next() * (characters.length - 4));
      const stop = characters.slice(at, at + 4).join("");
      const stops = new StopStrings([stop]);
      const shown = deltas(tokenizer, ids).map((delta) => stops.push(delta));
      const first = whole.indexOf(stop);
      expect(shown.join("") + stops.flush()).toBe(first < 0 ? whole : whole.slice(0, first));
    }
  });
});

test("SentencePiece's space before a text's first word is shown where the text goes on with another", () => {
  const tokens = ["<unk>", "▁a", "▁b"];
  const tokenizer = new Tokenizer({ path: "tiny.gguf", model: "llama", tokens, scores: [0, -1, -2] });
  const shown = (stream: TokenStream) => [1, 2].map((id) => stream.push(id)).join("");
  expect(shown(new TokenStream(tokenizer))).toBe("a b");
  expect(shown(new TokenStream(tokenizer, false))).toBe(" a b");
});
