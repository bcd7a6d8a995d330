import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { seededRandom } from "../../src/util/random.ts";
import { type Sample, trainingSample } from "./world.ts";

// Writes the training data of planner-tiny and its executors: npx tsx tools/planner/data.ts FOLDER [SAMPLES]

interface Line {
  readonly prompt: string;
  readonly completion: string;
}

/** A plan stands between = and >; the answer follows >. */
const planned = ({ question, plan }: Sample): Line => ({ prompt: `${question}=`, completion: plan });
const withPlan = ({ question, plan, answer }: Sample): Line => ({
  prompt: `${question}=`,
  completion: `${plan}>${answer}`,
});
const plain = ({ question, answer }: Sample): Line => ({ prompt: `${question}>`, completion: answer });

const [folder = "planner-data", count = "100000"] = process.argv.slice(2);
const random = seededRandom(1);
const samples = Array.from({ length: Number(count) }, () => trainingSample(random));
mkdirSync(folder, { recursive: true });
const write = (name: string, lines: readonly Line[]) =>
  writeFileSync(path.join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
write("planner.jsonl", samples.map(planned));
write(
  "executor-plans.jsonl",
  samples.map((sample, i) => (i % 2 === 0 ? withPlan(sample) : plain(sample))),
);
write("executor-plain.jsonl", samples.map(plain));
