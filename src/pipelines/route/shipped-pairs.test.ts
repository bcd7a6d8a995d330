import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { packageRoot } from "../../util/package-root.ts";
import { openClassifyPair, pairFiles } from "./classify-pair.ts";

const models = join(packageRoot(), "models");
const foldersIn = (folder: string) => (existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []);
const pairs = foldersIn(models).flatMap((folder) => foldersIn(folder).filter((path) => /classify-[^/\\]+$/.test(path)));

/** Invented sentences in the style of questions to a bank. */
const sentences = {
  "My new card has not come in the post yet": "card_arrival",
  "I have forgotten my PIN and the card is locked now": "pin_blocked",
  "What is the exchange rate you use?": "exchange_rate",
  "Please close my account": "terminate_account",
};

test("there are shipped pairs for Banking77", () => {
  expect(pairs.filter((pair) => pair.endsWith("banking77")).length).toBeGreaterThanOrEqual(2);
});

describe.each(pairs.map((pair) => [pair.slice(models.length + 1), pair]))("%s", (name, pair) => {
  test("is small, and has a card that says how to make it again", () => {
    const bytes = readdirSync(pair).reduce((sum, file) => sum + statSync(join(pair, file)).size, 0);
    expect(bytes).toBeLessThan(10e6);
    const card = readFileSync(join(pair, "README.md"), "utf8");
    expect(card).toContain("npx tsx research/route-classify/main.ts");
    expect(Object.values(pairFiles(pair)).every(existsSync)).toBe(true);
  });

  test("opens at any share, and sends more to Super at a greater one", async () => {
    const texts = Object.keys(sentences);
    const toSuper = async (value: number) => {
      using opened = await openClassifyPair(pair, { by: "share", value });
      const { results } = await opened.classify(texts);
      return { results, count: results.filter(({ route }) => route.to === "super").length };
    };
    const [none, all] = [await toSuper(0), await toSuper(1)];
    expect([none.count, all.count]).toEqual([0, texts.length]);
    if (!name!.endsWith("banking77")) return;
    expect(all.results.map(({ label }) => label)).toEqual(Object.values(sentences));
  });
});
