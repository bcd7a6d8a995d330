import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { root, unaligned, withSection } from "../../tools/section.ts";
import { ACCEPTANCE, acceptanceSection } from "./acceptance-page.ts";
import { bestOf, type DraftTimes, gainOf, neededFor, tokensOf } from "./gain.ts";
import { draftSection, PAGE, SECTION } from "./page.ts";
import { TURNS, turnsSection } from "./turns-page.ts";

const times: DraftTimes = { check: [1.2, 1.4], pieces: [1.6, 2], whole: [1.1, 1.2], draft: 0.1, follow: 0.2 };

test("a round has the right drafts and one token more", () => {
  expect(tokensOf(0, 4)).toBe(1);
  expect(tokensOf(0.5, 2)).toBe(1.75);
  expect(tokensOf(1, 3)).toBe(4);
  expect(tokensOf([0.5, 0.2], 2)).toBeCloseTo(1.6, 12);
  expect(tokensOf([0.5], 2)).toBe(1.5);
});

test("a gain is the time of as many steps over that of the draft and its check", () => {
  expect(gainOf(times, 0.5, 1)).toBeCloseTo(15 / 14, 12);
  expect(gainOf(times, 0.5, 2)).toBeCloseTo(17.5 / 17, 12);
  expect(bestOf(times, 0.5)).toEqual({ drafts: 1, gain: expect.closeTo(15 / 14, 12) });
  expect(bestOf(times, 1)).toEqual({ drafts: 2, gain: expect.closeTo(30 / 17, 12) });
  expect(gainOf(times, neededFor(times, 1.25)!, bestOf(times, neededFor(times, 1.25)!).drafts)).toBeGreaterThan(1.25);
  expect(neededFor(times, 2)).toBeUndefined();
});

test("the page says what was measured: npx tsx research/drafts/page.ts", () => {
  const page = readFileSync(path.join(root, PAGE), "utf8");
  expect(unaligned(withSection(page, SECTION, draftSection()))).toBe(unaligned(page));
});

test("and how often the trained draft is right: npx tsx research/drafts/acceptance-page.ts", () => {
  const page = readFileSync(path.join(root, PAGE), "utf8");
  expect(unaligned(withSection(page, ACCEPTANCE, acceptanceSection()))).toBe(unaligned(page));
});

test("and what the saving gained in turns with dense: npx tsx research/drafts/turns-page.ts", () => {
  const page = readFileSync(path.join(root, PAGE), "utf8");
  expect(unaligned(withSection(page, TURNS, turnsSection()))).toBe(unaligned(page));
});
