/**
 * Checks recommendations on Cranfield, with judged questions as readers: `npx tsx apps/papers/recommend-check.ts
 * CRANFIELD`. A reader saves half of a question's relevant documents; the other half should come first. The controls
 * are a reader who saved as many documents at random, and a ranking by closeness to the mean of the saved documents.
 * The last line is JSON.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { paperInputSchema } from "./src/paper.ts";
import { openPapers } from "./src/papers.ts";
import { type Candidate, recommend } from "./web/recommend.ts";

const [place, folder] = [process.argv[2]!, process.argv[3] ?? "/tmp/papers-cranfield"];
/** The minimum number of relevant documents per question, so that enough are saved and enough remain. */
const FEWEST_RELEVANT = 8;
const RESAMPLES = 2000;

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

const text = readFileSync(join(place, "cran.all.1400"), "utf8");
const documents = text
  .split(/^\.I /m)
  .slice(1)
  .flatMap((entry) => {
    const [number, title = "", , , abstract = ""] = entry
      .split(/^\.[TABW]$/m)
      .map((part) => part.replace(/\s+/g, " ").trim());
    return abstract === "" ? [] : paperInputSchema.parse({ title: `${number} ${title}`, abstract });
  });
await using papers = await openPapers({ folder });
const known = await papers.store.papers.count();
for (let at = known; at < documents.length; at += 100) {
  await papers.add(documents.slice(at, at + 100));
  process.stderr.write(`${at + 100} documents\n`);
}
const all = await papers.store.papers.many(await papers.store.papers.ids());
const numbers = new Map(all.map(({ id, title }) => [id, Number.parseInt(title, 10)]));
const vectors = await papers.vectorsOf(all.map(({ id }) => id));
const candidates: Candidate[] = [...vectors].map(([id, vector]) => ({ id: String(numbers.get(id)), vector }));

const relevant = new Map<string, string[]>();
for (const line of readFileSync(join(place, "cranqrel"), "utf8").trim().split("\n")) {
  const [question, document, grade] = line.trim().split(/\s+/);
  if (Number(grade) >= 1 && Number(grade) <= 4)
    relevant.set(question!, [...(relevant.get(question!) ?? []), document!]);
}

function averagePrecision(order: readonly string[], wanted: ReadonlySet<string>): number {
  let [found, sum] = [0, 0];
  for (const [i, id] of order.entries()) if (wanted.has(id)) sum += ++found / (i + 1);
  return sum / wanted.size;
}

const ranked = (saved: ReadonlySet<string>): string[] =>
  recommend(candidates, saved, candidates.length)!.map(({ id }) => id);

function byMean(saved: ReadonlySet<string>): string[] {
  const mean = new Float64Array(candidates[0]!.vector.length);
  for (const { id, vector } of candidates)
    if (saved.has(id)) for (let i = 0; i < mean.length; i++) mean[i]! += vector[i]!;
  const score = ({ vector }: Candidate) => vector.reduce((sum, value, i) => sum + value * mean[i]!, 0);
  const others = candidates.filter(({ id }) => !saved.has(id)).map((it) => ({ id: it.id, score: score(it) }));
  return others.sort((a, b) => b.score - a.score).map(({ id }) => id);
}

const rows: { learnt: number; mean: number; random: number }[] = [];
for (const ids of relevant.values()) {
  const mixed = shuffled([...new Set(ids)].filter((id) => candidates.some((it) => it.id === id)));
  if (mixed.length < FEWEST_RELEVANT) continue;
  const half = Math.floor(mixed.length / 2);
  const [saved, wanted] = [new Set(mixed.slice(0, half)), new Set(mixed.slice(half))];
  const others = candidates.map(({ id }) => id).filter((id) => !wanted.has(id));
  const chance = new Set(shuffled(others).slice(0, half));
  rows.push({
    learnt: averagePrecision(ranked(saved), wanted),
    mean: averagePrecision(byMean(saved), wanted),
    random: averagePrecision(ranked(chance), wanted),
  });
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The mean difference from a control's order, with its 95 % bootstrap interval over readers. */
function difference(control: "mean" | "random"): { mean: number; ci95: [number, number] } {
  const all = rows.map((row) => row.learnt - row[control]);
  const means = Array.from({ length: RESAMPLES }, () => meanOf(all.map(() => all[random(all.length)]!)));
  means.sort((a, b) => a - b);
  return { mean: meanOf(all), ci95: [means[Math.floor(0.025 * RESAMPLES)]!, means[Math.floor(0.975 * RESAMPLES)]!] };
}

const result = {
  readers: rows.length,
  documents: candidates.length,
  averagePrecision: {
    learnt: meanOf(rows.map(({ learnt }) => learnt)),
    mean: meanOf(rows.map(({ mean }) => mean)),
    random: meanOf(rows.map((row) => row.random)),
  },
  learntLessMean: difference("mean"),
  learntLessRandom: difference("random"),
};
console.log(JSON.stringify(result, (_, value) => (typeof value === "number" ? Math.round(value * 1e4) / 1e4 : value)));
