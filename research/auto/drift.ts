/**
 * Traffic that drifts from what was certified, on a live server that audits every answer.
 *
 * npx tsx research/auto/drift.ts [--out research/auto/results/drift] [--home FOLDER] [--runs 10] [--requests 200]
 *
 * `lab tune` first makes a certificate for SmolLM2 on SciQ's questions, one in twenty-five of them with its passage:
 * `prune` leaves short prompts dense, so it loses only on passages. The server then gets further questions of this kind
 * and, in each new run, only passages until the certificate is switched off. Each run is a line of `drift.jsonl`; a
 * killed program resumes after the last one. `--home` is the MODICUM_HOME of the tuning and the server.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { median } from "../../bench/report.ts";
import { LinesFile } from "../../src/lab/run/lines-file.ts";
import { machine } from "../../src/lab/run/machine.ts";
import { auditState, switchOn } from "../../src/savings/auto/audit-state.ts";
import { certificateFile, readCertificate } from "../../src/savings/auto/certificate.ts";
import { Catalogue } from "../../src/serve/models/catalogue.ts";
import { jsonOf, post, serveModels, type Testing } from "../../src/serve/serve.testing.ts";
import { mean } from "../../src/util/mean.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import { itemsOf } from "../common/tasks.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "research/auto/results/drift" },
    home: { type: "string", default: path.join(tmpdir(), "modicum-drift") },
    runs: { type: "string", default: "10" },
    requests: { type: "string", default: "200" },
  },
});
const [runs, requests] = [Number(values.runs), Number(values.requests)];

const NAME = "drift";
const RECIPE = "prune:after=10,keep=0.3,minLength=72";
const RISK = 0.05;
const ANSWER = 12;
/** The number of tuning questions, and one in how many has its passage. */
const [TUNED, PASSAGE_ONE_IN] = [200, 25];
/** The maximum number of passages per run, and the number they are drawn from. */
const [MOST, PASSAGES] = [150, 300];
/** Milliseconds between two checks of the audits. */
const TICK = 20;

const line = z.strictObject({
  kind: z.enum(["certified", "other"]),
  run: z.int(),
  /** Answers under the guarantee, each audited. */
  audited: z.int(),
  off: z.boolean(),
  wealth: z.number(),
  /** Mean of the last losses, 50 at most. */
  loss: z.number(),
  /** Passages longer than the certificate's, which dense answered. */
  outside: z.int(),
});
type Line = z.infer<typeof line>;

interface Question {
  readonly alone: string;
  readonly withPassage: string;
}

async function questions(count: number): Promise<Question[]> {
  const found: Question[] = [];
  for await (const { choices } of itemsOf("choice", "sciq")) {
    const parts = /^([\s\S]+)\nQuestion: (.*)\nAnswer:$/.exec(choices[0]!.context);
    if (!parts) continue;
    const [, passage, question] = parts;
    // A server audits no conversation twice.
    if (found.some(({ alone }) => alone.startsWith(question!))) continue;
    found.push({ alone: `${question} Answer with one word.`, withPassage: `${passage}\n\n${question}` });
    if (found.length === count) break;
  }
  return found;
}

/** Prompts as they are certified. */
const mixed = (all: readonly Question[]): string[] =>
  all.map(({ alone, withPassage }, i) => (i % PASSAGE_ONE_IN === PASSAGE_ONE_IN - 1 ? withPassage : alone));

/** Makes the certificate with the users' command; a killed tuning resumes. */
async function tune(model: string, prompts: readonly string[]): Promise<void> {
  if (existsSync(certificateFile(NAME))) return;
  const [task, candidates] = ["prompts.jsonl", "candidates.txt"].map((name) => path.join(values.home, name));
  writeFileSync(task!, prompts.map((prompt) => `${JSON.stringify({ prompt })}\n`).join(""));
  writeFileSync(candidates!, RECIPE);
  const what = ["--model", model, "--task", task!, "--candidates", candidates!, "--name", NAME, "--cost", "flops"];
  const how = ["--loss", "nats", "--risk", `${RISK}`, "--temperature", "0", "--max-tokens", `${ANSWER}`];
  const words = ["bin/modicum.js", "lab", "tune", ...what, ...how];
  const [status] = await once(spawn(process.execPath, words, { stdio: ["ignore", "ignore", "inherit"] }), "exit");
  if (status !== 0) process.exit(status);
}

/** A server that has audited nothing yet, and remembers no conversation. */
async function started(model: string): Promise<Testing> {
  await switchOn(NAME);
  const catalogue = await Catalogue.open([`smollm2=${model}`], { usual: [`auto:${NAME}`] });
  return serveModels([], { catalogue, audit: 1 });
}

/** Sends prompts one by one, each after the previous one's audit, until the certificate is switched off. */
async function ask(model: string, kind: Line["kind"], run: number, prompts: readonly string[]): Promise<Line> {
  const server = await started(model);
  let [audited, outside, off] = [0, 0, false];
  try {
    for (const prompt of prompts) {
      const body = { messages: [{ role: "user", content: prompt }], max_tokens: ANSWER, temperature: 0 };
      const { receipt } = await jsonOf(post(server, "/v1/chat/completions", body));
      off = receipt.unguaranteed === "off";
      if (off) break;
      if (receipt.guarantee === null) {
        outside++;
        continue;
      }
      audited++;
      while (auditState(NAME).count < audited) await sleep(TICK);
    }
    const { wealth, last } = auditState(NAME);
    return { kind, run, audited, off, wealth, loss: mean(last), outside };
  } finally {
    await server.stop(0);
  }
}

async function main(): Promise<void> {
  for (const folder of [values.home, values.out]) mkdirSync(folder, { recursive: true });
  const { path: model } = await resolveModel("smollm2");
  const all = await questions(TUNED + requests + PASSAGES);
  process.env["MODICUM_HOME"] = path.resolve(values.home);
  await tune(model, mixed(all.slice(0, TUNED)));
  const certificate = readCertificate(NAME);
  await writeJson(path.join(values.out, "certificate.json"), certificate);

  const { file, lines } = await LinesFile.open(path.join(values.out, "drift.jsonl"), line);
  const passages = all.slice(TUNED + requests).map(({ withPassage }) => withPassage);
  const promptsOf = (kind: Line["kind"], run: number): string[] =>
    kind === "certified"
      ? mixed(all.slice(TUNED, TUNED + requests))
      : shuffle([...passages], seededRandom(run)).slice(0, MOST);
  const wanted = [
    { kind: "certified" as const, run: 0 },
    ...Array.from({ length: runs }, (_, run) => ({ kind: "other" as const, run })),
  ];
  for (const { kind, run } of wanted) {
    if (lines.some((each) => each.kind === kind && each.run === run)) continue;
    const outcome = await ask(model, kind, run, promptsOf(kind, run));
    process.stderr.write(`${JSON.stringify(outcome)}\n`);
    await file.add(outcome);
    lines.push(outcome);
  }
  await file.close();

  const same = lines.find(({ kind }) => kind === "certified")!;
  const others = lines.filter(({ kind }) => kind === "other");
  const audited = median(others.map((each) => (each.off ? each.audited : Number.POSITIVE_INFINITY)));
  const summary = {
    ...{ recipe: RECIPE, risk: RISK, runs: others.length, off: others.filter(({ off }) => off).length, audited },
    requests: { share: 0.01, until_off: 100 * audited },
    loss: mean(others.map(({ loss }) => loss)),
    certified: { audited: same.audited, off: same.off, wealth: same.wealth, loss: same.loss },
    machine: machine(),
  };
  await writeJson(path.join(values.out, "outcome.json"), summary);
  process.stdout.write(`${JSON.stringify(summary)}\n`);
}

await main();
