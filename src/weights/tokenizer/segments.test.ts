import { expect, test } from "vitest";
import { tokenTexts, withGaps } from "./segments.ts";

const splitAt = (text: string, specialTokens: readonly string[]) => tokenTexts(specialTokens).split(text);

const plain = (text: string) => ({ text, special: false });
const special = (text: string) => ({ text, special: true });

test("a text is cut at the special tokens in it", () => {
  expect(splitAt("<a>x<b><a>", ["<a>", "<b>"])).toEqual([special("<a>"), plain("x"), special("<b>"), special("<a>")]);
  expect(splitAt("x", ["<a>"])).toEqual([plain("x")]);
  expect(splitAt("x<a>", [])).toEqual([plain("x<a>")]);
  expect(splitAt("", [])).toEqual([]);
  expect(splitAt("", ["<a>"])).toEqual([]);
});

test("the first token wins, and of several that begin there the longest", () => {
  expect(splitAt("abcd", ["bc", "abcx", "ab", "abc"])).toEqual([special("abc"), plain("d")]);
  expect(splitAt("xabab", ["bab", "ab"])).toEqual([plain("x"), special("ab"), special("ab")]);
});

test("characters that mean something in patterns are themselves", () => {
  for (const token of ["<|x|>", "[INST]", "a+", "(b)?", "^$", "\\", ".*", "{1}", "$&"]) {
    expect(splitAt(`aab.${token}z`, [token])).toEqual([plain("aab."), special(token), plain("z")]);
  }
});

test("a gap's text stands on both sides of its token, joined to the plain text there", () => {
  const gap = { token: "<a>", text: "\n\n" };
  const segments = [plain("x\n"), special("<a>"), plain("y"), special("<b>"), special("<a>"), special("<a>")];
  expect(withGaps(segments, gap)).toEqual([
    ...[plain("x\n\n\n"), special("<a>"), plain("\n\ny"), special("<b>"), plain("\n\n"), special("<a>")],
    ...[plain("\n\n\n\n"), special("<a>"), plain("\n\n")],
  ]);
  expect(withGaps([plain("<a>"), special("<b>")], gap)).toEqual([plain("<a>"), special("<b>")]);
});
