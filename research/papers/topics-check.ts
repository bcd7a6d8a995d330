/**
 * Checks topics on the abstracts of a workshop: `npx tsx research/papers/topics-check.ts ABSTRACTS PAGE > research/papers/results/topics.json`.
 * ABSTRACTS is a folder of pages with front matter, as the repositories of the Proceedings of Machine Learning Research have
 * in `_posts`; PAGE is a saved page of daily papers. The bound is chosen on the reference collection alone, and the
 * abstracts, whose topics were written down by hand beforehand, judge it.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ClassifyPipeline, openClassifier } from "modicum";
import { reference } from "../../apps/papers/src/reference.ts";
import { parseSavedPage } from "../../apps/papers/src/sources/saved-page.ts";
import { FITS, normOf, standardised, TopicClassifier, topicText } from "../../apps/papers/src/topics.ts";

const [abstracts, page] = [process.argv[2]!, process.argv[3]!];
const byHand = "research/papers/results/topics-by-hand.json";
const { source, commit, labels, topics } = JSON.parse(readFileSync(byHand, "utf8")) as {
  source: string;
  commit: string;
  labels: string[];
  /** Each paper's topics that a reader accepts; `none` if it has none of the labels. */
  topics: Record<string, string[]>;
};
const MODEL = "minilm";
const RESAMPLES = 2000;
const BOUNDS = [0, 0.5, 1, 1.5, 1.75, 2, 2.25, 2.5, 3];

let state = 1;
const random = (below: number): number => {
  state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
  return Math.floor((state / 2 ** 32) * below);
};
function shuffled<T>(all: readonly T[]): T[] {
  const list = [...all];
  for (let i = list.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}
const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** A front matter's field, which may continue on indented lines. */
function field(text: string, name: string): string {
  const [, value = ""] = new RegExp(`^${name}: ((?:.*)(?:\\n  .*)*)`, "m").exec(text) ?? [];
  const line = value.replace(/\s+/g, " ").trim();
  return /^'.*'$/.test(line) ? line.slice(1, -1).replaceAll("''", "'") : line.replace(/^"(.*)"$/, "$1");
}

const papers = readdirSync(abstracts)
  .filter((name) => name.endsWith(".md"))
  .sort()
  .map((name) => readFileSync(join(abstracts, name), "utf8"))
  .map((text) => ({ id: field(text, "id"), title: field(text, "title"), abstract: field(text, "abstract") }));
const unknown = papers.filter(({ id }) => !(id in topics));
if (unknown.length > 0 || papers.length !== Object.keys(topics).length)
  throw new Error(`expected the ${Object.keys(topics).length} papers of ${byHand}, got ${papers.length}`);

const pipeline: ClassifyPipeline = await openClassifier(MODEL);
await using classifier = new TopicClassifier(pipeline);

/** The cosines of texts with labels. */
async function cosines(texts: readonly string[], names: readonly string[]): Promise<number[][]> {
  const { results } = await pipeline.classify(texts, names, {
    evidence: texts.map(() => []),
    qzero: { when: "margin", margin: 0 },
  });
  return results.map(({ scores }) => names.map((name) => scores[name]!));
}

const bestOf = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));

/** The labels' cosines with texts, compared with those over the reference collection. */
async function compared(texts: readonly string[], names: readonly string[]): Promise<number[][]> {
  const usual = await cosines(Object.values(reference).flat(), names);
  const norms = names.map((_, i) => normOf(usual.map((scores) => scores[i]!)));
  return (await cosines(texts, names)).map((scores) => standardised(scores, norms));
}

/**
 * The accuracy of each bound on the reference collection: a third of its fields are labels, texts of other fields
 * should get none, and both kinds of text weigh the same.
 */
async function boundsOnReference(): Promise<{ bound: number; accuracy: number }[]> {
  const fields = Object.keys(reference);
  const owners = fields.flatMap((name, i) => reference[name]!.map(() => i));
  const standard = await compared(Object.values(reference).flat(), fields);
  const right = BOUNDS.map(() => ({ known: [] as number[], other: [] as number[] }));
  for (let round = 0; round < 400; round++) {
    const chosen = shuffled(fields.map((_, i) => i)).slice(0, labels.length);
    for (const [text, owner] of owners.entries()) {
      const among = chosen.map((i) => standard[text]![i]!);
      const [top, best] = [Math.max(...among), chosen[bestOf(among)]];
      for (const [i, bound] of BOUNDS.entries())
        if (chosen.includes(owner)) right[i]!.known.push(top >= bound && best === owner ? 1 : 0);
        else right[i]!.other.push(top < bound ? 1 : 0);
    }
  }
  return right.map(({ known, other }, i) => ({
    bound: BOUNDS[i]!,
    accuracy: (meanOf(known) + meanOf(other)) / 2,
  }));
}

const plainOf = async (texts: readonly string[]): Promise<string[]> =>
  (await cosines(texts, labels)).map((scores) => labels[bestOf(scores)]!);
const unboundedOf = async (texts: readonly string[]): Promise<string[]> =>
  (await compared(texts, labels)).map((scores) => labels[bestOf(scores)]!);
const mendedOf = async (texts: readonly string[]): Promise<string[]> =>
  (await classifier.classify(texts, labels)).topics.map((topic) => topic?.label ?? "none");

const countsOf = (found: readonly string[]): Record<string, number> =>
  Object.fromEntries([...labels, "none"].map((label) => [label, found.filter((each) => each === label).length]));

const accepted = papers.map(({ id }) => topics[id]!);
const rightOf = (found: readonly string[], by = accepted): number[] =>
  found.map((label, i) => (by[i]!.includes(label) ? 1 : 0));
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

const interval = (values: number[]): [number, number] => {
  values.sort((a, b) => a - b);
  return [values[Math.floor(0.025 * values.length)]!, values[Math.floor(0.975 * values.length)]!];
};

/** The right topics of both kinds of paper, and of papers whose topics by hand are shuffled among them. */
function judged(found: readonly string[]) {
  const right = rightOf(found);
  const isNone = accepted.map((all) => all.includes("none"));
  const chance = Array.from({ length: RESAMPLES }, () => meanOf(rightOf(found, shuffled(accepted))));
  return {
    right: sum(right),
    accuracy: meanOf(right),
    ofATopic: { papers: isNone.filter((none) => !none).length, right: sum(right.filter((_, i) => !isNone[i])) },
    ofNone: { papers: isNone.filter(Boolean).length, right: sum(right.filter((_, i) => isNone[i])) },
    named: {
      papers: found.filter((label) => label !== "none").length,
      right: sum(right.filter((_, i) => found[i] !== "none")),
    },
    shuffled: { accuracy: meanOf(chance), ci95: interval(chance) },
    counts: countsOf(found),
  };
}

const bounds = await boundsOnReference();
const texts = papers.map(topicText);
const [plain, mended] = [await plainOf(texts), await mendedOf(texts)];
const gains = rightOf(mended).map((value, i) => value - rightOf(plain)[i]!);
const gain = Array.from({ length: RESAMPLES }, () => meanOf(gains.map(() => gains[random(gains.length)]!)));
const saved = parseSavedPage(readFileSync(page, "utf8")).papers.map(topicText);
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const result = {
  command: "npx tsx research/papers/topics-check.ts v262/_posts shared/data/papers/daily-papers.txt",
  model: MODEL,
  reference: hash(JSON.stringify(reference)),
  bound: { used: FITS, onReference: bounds },
  abstracts: { source, commit, papers: papers.length, hash: hash(JSON.stringify(texts)) },
  plain: judged(plain),
  withoutBound: judged(await unboundedOf(texts)),
  mended: judged(mended),
  gain: { accuracy: meanOf(gains), ci95: interval(gain) },
  savedPage: { papers: saved.length, plain: countsOf(await plainOf(saved)), mended: countsOf(await mendedOf(saved)) },
  papers: papers.map(({ id }, i) => ({ id, byHand: accepted[i], plain: plain[i], mended: mended[i] })),
};
const rounded = (_: string, value: unknown) => (typeof value === "number" ? Math.round(value * 1e4) / 1e4 : value);
console.log(JSON.stringify(result, rounded, 1));
