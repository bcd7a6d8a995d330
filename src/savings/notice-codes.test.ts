import { expect, test } from "vitest";
import type { CodeBits } from "../graph/index.ts";
import { noticeCodes } from "./notice-codes.ts";

test.each<[CodeBits | undefined, CodeBits | undefined, number]>([
  [8, 4, 1],
  [4, 8, 1],
  [8, 8, 0],
  [undefined, 4, 0],
  [8, undefined, 0],
])("learnt in %s bits, run in %s: %i notices", (learnt, codes, notices) => {
  const told: string[] = [];
  const host = { decoder: undefined as never, hash: async () => "", onNotice: (s: string) => void told.push(s) };
  noticeCodes("exits.json", learnt, codes === undefined ? host : { ...host, codes });
  expect(told).toHaveLength(notices);
  for (const sentence of told)
    expect(sentence).toMatch(
      `exits.json was made while the model's 4-bit types ran in ${learnt} bits, and they run in ${codes} here`,
    );
});
