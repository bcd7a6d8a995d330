/**
 * Writes the lab's corpus of source code: packages with permissive licences, each wholly in one split, without
 * duplicates. The list is src/lab/data/code/packages.ts; npm and pip fetch what is missing.
 *
 *     npx tsx research/common/code-corpus.ts --out DIR
 *
 * DIR/LANGUAGE-SPLIT.jsonl has a file a line, { text, package, path }, which `modicum train --data` reads, in a random
 * order: its beginning is of all packages. DIR/corpus.json has sizes and hashes.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type CodeFile, codeFiles } from "../../src/lab/data/code/corpus.ts";
import { type Language, languages, type Split, splits } from "../../src/lab/data/code/file.ts";
import { codePackages } from "../../src/lab/data/code/packages.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";

const { values } = parseArgs({ options: { out: { type: "string" } } });
const { out } = values;
if (out === undefined) throw new Error("expected --out DIR");

const linesOf = (files: readonly CodeFile[]): string =>
  shuffle([...files], seededRandom(0))
    .map(({ text, package: of, name }) => `${JSON.stringify({ text, package: of, path: name.slice(of.length + 1) })}\n`)
    .join("");

/** Writes a split's file; returns its line of the summary. */
function write(language: Language, split: Split, files: readonly CodeFile[]) {
  const lines = linesOf(files);
  const file = `${language}-${split}.jsonl`;
  writeFileSync(join(out!, file), lines);
  const packages = codePackages.filter((one) => one.language === language && one.split === split);
  return {
    file,
    packages: packages.map(({ kind, package: name, version, licence }) => `${kind}:${name}@${version} (${licence})`),
    files: files.length,
    characters: files.reduce((sum, { text }) => sum + text.length, 0),
    sha256: createHash("sha256").update(lines).digest("hex"),
  };
}

mkdirSync(out, { recursive: true });
const summary = [];
for (const language of languages) {
  const files = await codeFiles(language, "train", { onNotice: (sentence) => console.error(sentence) });
  for (const split of splits)
    summary.push(
      write(
        language,
        split,
        files.filter((file) => file.split === split),
      ),
    );
}
writeFileSync(join(out, "corpus.json"), `${JSON.stringify(summary, null, 2)}\n`);
for (const { file, files, characters, packages } of summary)
  console.log(
    `${file}: ${packages.length} packages, ${files} files, ${(characters / 1e6).toFixed(2)} million characters`,
  );
