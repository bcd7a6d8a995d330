/**
 * Times the pages over many papers, without a network in between: `npx tsx apps/papers/bench.ts [papers] [folder]`. The
 * papers consist of this project's own sentences; with a folder, they and their index are stored for the next run. The
 * last line is JSON.
 */
import { readdirSync, readFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { Mailing } from "./src/mail/mail.ts";
import { paperInputSchema } from "./src/paper.ts";
import { openPapers } from "./src/papers.ts";
import { createSite } from "./web/app.tsx";
import { siteOf } from "./web/serve.ts";

const [count, folder] = [Number(process.argv[2] ?? 10_000), process.argv[3] ?? join(tmpdir(), `papers-${process.pid}`)];
const [ROUNDS, WARM] = [40, 3];
/** Sentences per abstract, and papers per day. */
const [LENGTH, DAILY] = [4, 50];
const BATCH = 500;

/** A linear congruential generator (Numerical Recipes), so that the papers are the same each time. */
let state = 1;
const random = (below: number): number => {
  state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
  return Math.floor((state / 2 ** 32) * below);
};

const docs = join(import.meta.dirname, "..", "..", "docs");
const sentences = readdirSync(docs, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".md"))
  .flatMap((name) => readFileSync(join(docs, name), "utf8").split(/(?<=[.?!])\s+/))
  .map((text) => text.replace(/\s+/g, " "))
  .filter((text) => /^[A-Z][^|`#]{40,240}[.]$/.test(text));
const sentence = () => sentences[random(sentences.length)]!;

const dayOf = (i: number): string =>
  new Date(Date.UTC(2026, 0, 1) - Math.floor(i / DAILY) * 86_400_000).toISOString().slice(0, 10);

const paperAt = (i: number) =>
  paperInputSchema.parse({
    title: `${sentence().split(" ").slice(0, 8).join(" ")} ${i}`,
    abstract: Array.from({ length: LENGTH }, sentence).join(" "),
    listed: dayOf(i),
    votes: random(200),
  });

await using papers = await openPapers({ folder });
for (let at = await papers.store.papers.count(); at < count; at += BATCH) {
  await papers.add(Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => paperAt(at + i)));
  process.stderr.write(`${Math.min(count, at + BATCH)} papers\n`);
}
const mailing = new Mailing(papers.store, {});
const site = siteOf({ papers, mailing, url: undefined }, "none", () => String(random(1e9)));
const app = createSite(site, (error) => {
  throw error;
});

const query = () => sentence().split(" ").slice(1, 6).join(" ");
const pages: Readonly<Record<string, () => string>> = {
  feed: () => `/?date=${dayOf(random(count))}`,
  month: () => `/?period=month&date=${dayOf(random(count))}`,
  all: () => "/?period=all",
  search: () => `/search?q=${encodeURIComponent(query())}`,
};
/** Wall times, which other load lengthens, and the median CPU time, in milliseconds. */
interface Times {
  readonly median: number;
  readonly p95: number;
  readonly cpu: number;
}

async function timed(path: () => string): Promise<Times> {
  const [clock, cpu]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS + WARM; round++) {
    const [started, used] = [performance.now(), process.cpuUsage()];
    const response = await app.request(path());
    await response.text();
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    if (round < WARM) continue;
    const { user, system } = process.cpuUsage(used);
    clock.push(performance.now() - started);
    cpu.push((user + system) / 1000);
  }
  return { median: quantile(clock, 0.5), p95: quantile(clock, 0.95), cpu: quantile(cpu, 0.5) };
}

const quantile = (times: number[], share: number): number =>
  Math.round(times.sort((a, b) => a - b)[Math.floor(share * times.length)]! * 10) / 10;

const results: Record<string, Times> = {};
for (const [name, path] of Object.entries(pages)) {
  const { median, p95, cpu } = await timed(path);
  results[name] = { median, p95, cpu };
  console.log(`${name.padEnd(8)} median ${median} ms, 95th percentile ${p95} ms, median CPU time ${cpu} ms`);
}
const metadata = { bench: "papers", papers: count, rounds: ROUNDS, unit: "ms", load: loadavg()[0] };
console.log(JSON.stringify({ ...metadata, ...results, machine: cpus()[0]!.model }));
