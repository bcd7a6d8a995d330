import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { fromFolder, Tokenizer } from "./index.ts";

const whole = fileURLToPath(new URL("../../models/fixtures/stable-diffusion/tokenizer", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-clip-files-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { vocab, merges } = JSON.parse(readFileSync(path.join(whole, "tokenizer.json"), "utf8")).model;
const lines = merges.map((pair: readonly string[]) => pair.join(" "));
const config = path.join(folder, "tokenizer_config.json");
writeFileSync(path.join(folder, "vocab.json"), JSON.stringify(vocab));
writeFileSync(path.join(folder, "merges.txt"), `#version: 0.2\n${lines.join("\n")}\n`);

test("a vocabulary and merges give the ids of a CLIP's tokenizer.json", () => {
  copyFileSync(path.join(whole, "tokenizer_config.json"), config);
  const [apart, one] = [folder, whole].map((from) => new Tokenizer(fromFolder(from, 534)));
  const texts = ["a photo of a RED   square", "It's 12\tdogs, été!", "", "日本 #1 <|endoftext|>", "# hash"];
  for (const text of texts) expect(apart!.input(text, { limit: 20 })).toEqual(one!.input(text, { limit: 20 }));
  expect(apart!.input("photo").ids).toHaveLength(3);
  expect([apart!.pad, apart!.decode([4, 5])]).toEqual([one!.pad, one!.decode([4, 5])]);
});

test("another tokenizer without a tokenizer.json is refused", () => {
  writeFileSync(config, JSON.stringify({ tokenizer_class: "GPT2Tokenizer" }));
  expect(() => fromFolder(folder)).toThrow(UserError);
  expect(() => fromFolder(folder)).toThrow(/tokenizer.json: there is no such file, expected the model's tokenizer/);
});
