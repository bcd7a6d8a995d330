import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { root, unaligned, withSection } from "../../../tools/section.ts";
import { commonestChoices } from "./commonest.ts";
import { loraSection, PAGE, SECTION } from "./page.ts";

test("the commonest choice is counted on the training rows alone, over all places and behind each token", () => {
  const row = (...ids: number[]) => Int32Array.from(ids);
  const rows = [row(1, 2, 1, 0), row(1, 2, 3, 0), row(2, 2, 1, 0)];
  const choices = [row(5, 7, 9), row(5, 7, 7), row(7, 7, 5)];
  // The choice after 1 is 5, after all others 7; the held-out row chooses 5, 7 and 9 after 1, 2 and 1.
  expect(commonestChoices({ rows, held: 1, choices })).toEqual({ commonest: 1 / 3, behindToken: 2 / 3 });
});

test("the page says what was measured: npx tsx research/exits/lora/page.ts", () => {
  const page = readFileSync(path.join(root, PAGE), "utf8");
  expect(unaligned(withSection(page, SECTION, loraSection()))).toBe(unaligned(page));
});
