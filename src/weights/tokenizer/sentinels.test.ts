import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { byteTokenizer } from "../../train/data/tokenizer.ts";
import { writeTokenizer } from "../../train/subject/new-tokens.ts";
import { UserError } from "../../util/errors.ts";
import { encodeBlanks, fillBlanks, modeToken, parseBlanks, requireSpecial, sentinelName } from "./sentinels.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-sentinels-"));
afterAll(() => rmSync(folder, { recursive: true }));

const names = [modeToken("NLU"), ...[0, 1, 2].map(sentinelName)];
const tokenizer = await writeTokenizer(byteTokenizer(), { names }, folder);
const sentinel = (k: number) => tokenizer.specialId(sentinelName(k))!;

test("tokens that are added get the next ids, and stay plain text in texts", () => {
  expect(names.map((name) => tokenizer.specialId(name))).toEqual([257, 258, 259, 260]);
  expect(tokenizer.encode("<extra_id_0>")).toHaveLength("<extra_id_0>".length);
});

test("a text is encoded around its blanks, and asks for the first", () => {
  const bytes = (text: string) => tokenizer.encode(text);
  const ids = encodeBlanks(parseBlanks("a <extra_id_0> b<extra_id_1>c"), tokenizer);
  expect(ids).toEqual([...bytes("a"), sentinel(0), ...bytes(" b"), sentinel(1), ...bytes("c"), sentinel(0)]);
  expect(encodeBlanks(parseBlanks("<extra_id_0>"), tokenizer)).toEqual([sentinel(0), sentinel(0)]);
});

test("an answer's runs fill the blanks, up to the next sentinel or the end", () => {
  const blanked = parseBlanks("a <extra_id_0> b<extra_id_1>c");
  const answer = (...runs: (string | number)[]) =>
    runs.flatMap((run) => (typeof run === "string" ? tokenizer.encode(run) : [run]));
  const filled = (...runs: (string | number)[]) => fillBlanks(blanked, answer(...runs), tokenizer);
  expect(filled(" cat", sentinel(1), "!", tokenizer.eos!)).toEqual({ text: "a cat b!c", blanks: ["cat", "!"] });
  expect(filled("cat", sentinel(1), "!", sentinel(2), "more")).toEqual({ text: "a cat b!c", blanks: ["cat", "!"] });
  expect(filled("cat", tokenizer.eos!)).toEqual({ text: "a cat bc", blanks: ["cat", ""] });
  expect(filled(sentinel(1), "x")).toEqual({ text: "a  bxc", blanks: ["", "x"] });
});

test.each([
  ["no blank", "has no blank"],
  ["<extra_id_1>", "expected <extra_id_0>, got <extra_id_1>"],
  ["<extra_id_0><extra_id_0>", "expected <extra_id_1>, got <extra_id_0>"],
])("%s is refused", (text, message) => {
  expect(() => parseBlanks(text)).toThrow(message);
});

test("a model without the tokens is named", () => {
  expect(() => requireSpecial(tokenizer, "[S2S]")).toThrow(UserError);
  expect(() => encodeBlanks(parseBlanks("<extra_id_0><extra_id_1><extra_id_2><extra_id_3>"), tokenizer)).toThrow(
    "no token <extra_id_3>",
  );
});
