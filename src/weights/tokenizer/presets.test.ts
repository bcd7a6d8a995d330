import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { presetOf } from "./presets.ts";
import { fixture } from "./tokenizer.testing.ts";

/** Results from Hugging Face's tokenizers: tools/reference/pretokenizers.py. */
const file = new URL("./fixtures/pretokenizers.json.gz", import.meta.url);
const words: Record<string, number[][]> = JSON.parse(gunzipSync(readFileSync(file)).toString());
const texts = fixture<string[]>("texts");

test.each(Object.keys(words))("%s cuts texts into the words of its tokenizer.json", (pre) => {
  const { normalizer, preTokenizer } = presetOf({ path: "tiny.gguf", pre });
  const wrong = texts.flatMap((text, i) => {
    const got = text === "" ? [] : preTokenizer(normalizer ? normalizer(text) : text, true).map((word) => word.length);
    return String(got) === String(words[pre]![i]) ? [] : [{ text, got, expected: words[pre]![i] }];
  });
  expect(wrong).toEqual([]);
  expect(words[pre]!.length).toBe(texts.length);
});

test("a prompt begins with bos, and words are taken whole, where the model has it so", () => {
  const preset = (pre: string) => presetOf({ path: "tiny.gguf", pre });
  expect(preset("lfm2")).toMatchObject({ addBos: true, ignoreMerges: true });
  expect(preset("tekken")).toMatchObject({ ignoreMerges: true });
  expect(preset("glm4")).not.toHaveProperty("addBos");
});

test("a file that does not know its pre-tokenizer is refused in its own words", () => {
  expect(() => presetOf({ path: "tiny.gguf", pre: "default" })).toThrow(
    new UserError(
      'tiny.gguf: "tokenizer.ggml.pre" is "default": the file\'s converter did not know the model\'s pre-tokenizer; use a file from a newer converter',
    ),
  );
});

test("DeepSeek LLM's letters with case are a valid class", () => {
  const { preTokenizer } = presetOf({ path: "tiny.gguf", pre: "deepseek-llm" });
  expect(preTokenizer("ab cd 12", true)).toEqual(["ab", "Ġcd", "Ġ", "1", "2"]);
});
