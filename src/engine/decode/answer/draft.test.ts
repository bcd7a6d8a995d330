import { describe, expect, test } from "vitest";
import { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { byteSource } from "../../../weights/tokenizer/tokenizer.testing.ts";
import { Draft } from "./draft.ts";
import { generateOptions } from "./generate.ts";

const tokenizer = new Tokenizer(byteSource(["<s>", "</s>"]));

/** The pieces of an answer whose tokens are the bytes of a text, cut after `most`. */
function pieces(text: string, most: number, stop: string[] = []): string[] {
  const draft = new Draft(tokenizer, generateOptions.parse({ stop }), [], most);
  return [...Buffer.from(text)].slice(0, most).map((byte) => {
    const logits = new Float32Array(258);
    logits[byte] = 1;
    return draft.take(logits).text;
  });
}

describe("a character of several tokens", () => {
  test("is given when it is whole", () => {
    expect(pieces("a🤗", 5)).toEqual(["a", "", "", "", "🤗"]);
  });

  test.each([1, 2, 3])("is left out when the answer is cut after %i of its 4", (most) => {
    expect(pieces("🤗💡", most).join("")).toBe("");
    expect(pieces("🤗💡", 4 + most).join("")).toBe("🤗");
  });

  test("is left out behind text that was held back for a stop string, which is given", () => {
    expect(pieces("ab🤗", 4, ["b!"]).join("")).toBe("ab");
  });
});
