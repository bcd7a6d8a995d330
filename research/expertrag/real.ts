/**
 * Judges every gate on answers to real questions, and writes `research/expertrag/real` and its page.
 *
 *     npx tsx research/expertrag/real.ts MODEL=ROWS.jsonl… [--ship]
 *
 * ROWS are of `research/expertrag/answers.ts`. `--ship` also calibrates the gates that are better than chance on all rows,
 * and writes them into `models/`.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load } from "../../src/index.ts";
import {
  type ComparedQuestion,
  inputOf,
  judgeLookups,
  type LookupReport,
  outcomeOf,
} from "../../src/lab/lookup/policies.ts";
import { OwnResources } from "../../src/library/text-pipeline.ts";
import { keepGate } from "../../src/pipelines/answer/gate/artefact.ts";
import { bindingOf } from "../../src/pipelines/answer/gate/find.ts";
import { calibrateAnswerOptions, calibratedOn, type JudgedQuestion } from "../../src/pipelines/answer/gate/fit.ts";
import { mean } from "../../src/util/mean.ts";
import { root, writeSection } from "../../tools/section.ts";
import { section } from "./real-tables.ts";

const FOLDER = join(root, "research/expertrag/real");

/** Coverage of all questions, either set counting half. @throws if `coverage.ts` has not run */
function coverageOfAll(): number {
  const { sets } = JSON.parse(readFileSync(join(FOLDER, "coverage.json"), "utf8")) as {
    readonly sets: Readonly<Record<string, { readonly top_3: number }>>;
  };
  return mean(Object.values(sets).map(({ top_3 }) => top_3));
}

/** Calibrates on all rows the gates that are better than chance, in an order that was fixed beforehand. */
async function ship(model: string, rows: readonly ComparedQuestion[], { gates }: LookupReport): Promise<void> {
  const better = gates
    .filter(({ auroc: { ci95 } }) => ci95[0] > 0.5 && Number.isFinite(ci95[1]))
    .map(({ gate }) => gate);
  const methods = (["classifier", "margin", "entropy", "energy"] as const).filter((method) => better.includes(method));
  if (methods.length === 0) return void process.stderr.write(`${model}: no gate is better than chance\n`);
  using loaded = await load(model);
  const binding = await bindingOf(new OwnResources({ model }, { model: loaded }));
  const judged: JudgedQuestion[] = rows.map((row) => ({ ...outcomeOf(row), input: inputOf(row) }));
  const data = {
    name: "TriviaQA and NQ-open",
    sha256: createHash("sha256")
      .update(JSON.stringify(rows.map(({ set, id }) => [set, id])))
      .digest("hex"),
    questions: rows.length,
  };
  const chosen = calibrateAnswerOptions.parse({});
  const folder = join(root, "models", model, "expertrag");
  mkdirSync(folder, { recursive: true });
  for (const method of methods)
    await keepGate(join(folder, "gates.json"), binding, calibratedOn(judged, method, chosen, data));
}

if (process.argv[1] === import.meta.filename) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { ship: { type: "boolean" } } });
  const VOCABULARY: Readonly<Record<string, number>> = { smollm2: 49152, "qwen2.5-coder": 151936 };
  const coverage = coverageOfAll();
  const results: LookupReport[] = [];
  for (const named of positionals) {
    const [model, file] = named.split("=") as [string, string];
    const rows = readFileSync(file, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as ComparedQuestion);
    const result = judgeLookups(model, rows, { vocabulary: VOCABULARY[model]!, coverage });
    results.push(result);
    writeFileSync(join(FOLDER, `${model}.json`), `${JSON.stringify(result, null, 1)}\n`);
    if (values.ship) await ship(model, rows, result);
  }
  writeSection("research/expertrag/real/README.md", "expertrag/real", section(results));
}
