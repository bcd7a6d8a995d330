import { expect, test } from "vitest";
import { bytesOfToken, utf8Decoder } from "./alphabet.ts";

test("the alphabet writes every byte, each as one character", () => {
  const characters = Array.from({ length: 0x144 }, (_, code) => String.fromCharCode(code)).filter(
    (c) => !/[\0- \x7f]/.test(c),
  );
  const bytes = characters.map((character) => bytesOfToken(character)).filter((list) => list.length === 1);
  expect(bytes.map(([byte]) => byte).sort((a, b) => a! - b!)).toEqual(Array.from({ length: 256 }, (_, byte) => byte));
});

test("GPT-2's characters for space, new line, tab and é", () => {
  expect([...bytesOfToken("ĠĊĉÃ©~")]).toEqual([0x20, 0x0a, 0x09, 0xc3, 0xa9, 0x7e]);
});

test("a token with a character outside the alphabet is its own UTF-8", () => {
  expect([...bytesOfToken("<｜User｜>")]).toEqual([...Buffer.from("<｜User｜>")]);
  expect([...bytesOfToken("a b")]).toEqual([0x61, 0x20, 0x62]);
  expect([...bytesOfToken("\u0144")]).toEqual([0xc5, 0x84]);
});

test("a byte order mark is shown", () => {
  expect(utf8Decoder().decode(Buffer.from("\ufeffa"))).toBe("\ufeffa");
});
