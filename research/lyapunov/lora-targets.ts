/**
 * Adapters of Mamba's projections at about equal numbers of parameters: `npx tsx research/lyapunov/lora-targets.ts OUT
 * PROSE.txt` trains small Mambas on prose, then adapters of each kind on statements of code, with three seeds and two
 * rates, and writes `research/lyapunov/results/lora.json` and its table. Finished runs are reused.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TrainInput, train } from "../../src/index.ts";
import { figure, signed } from "../../src/lab/report/format.ts";
import { mean } from "../../src/util/mean.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { rowsOf } from "../moe/domains.ts";

const FOLDER = "research/lyapunov/results";
const SEEDS = [0, 1, 2];
const RATES = [3e-3, 1e-2];
const [BASE_STEPS, STEPS, ROWS] = [300, 150, 1600];

const [WIDTH, INNER, STATE, STEP_RANK, LAYERS] = [64, 128, 8, 4, 4];
const architecture = {
  ...{ model_type: "mamba", hidden_size: WIDTH, num_hidden_layers: LAYERS, expand: INNER / WIDTH },
  ...{ state_size: STATE, time_step_rank: STEP_RANK },
};

/** Inputs and outputs of each projection, whose sum is what a rank costs. */
const costs = {
  in_proj: WIDTH + 2 * INNER,
  x_proj: INNER + STEP_RANK + 2 * STATE,
  out_proj: INNER + WIDTH,
} as const;
/** Targets and ranks. The adapter of x_proj has the most parameters. */
const adapters = [
  { targets: ["in_proj"], rank: 6 },
  { targets: ["in_proj", "out_proj"], rank: 4 },
  { targets: ["x_proj"], rank: 14 },
] as const;
type Adapter = (typeof adapters)[number];
const parameters = ({ targets, rank }: Adapter): number =>
  LAYERS * rank * targets.reduce((sum, target) => sum + costs[target], 0);

const [out = "", prose = ""] = process.argv.slice(2);
const common = {
  ...{ validation: 0.1, tokens: 64, batch: 8, evaluateBatches: 10 },
  schedule: { name: "cosine", warmup: 30, minimum: 0.1 },
} satisfies Partial<TrainInput>;

async function once(folder: string, options: TrainInput): Promise<number> {
  if (!existsSync(join(folder, "receipt.json"))) await train(options, { out: folder });
  const last = readFileSync(join(folder, "metrics.jsonl"), "utf8").trim().split("\n").at(-1)!;
  return JSON.parse(last).validation;
}

mkdirSync(out, { recursive: true });
const code = join(out, "code.txt");
writeFileSync(code, rowsOf("code", ROWS, 1, prose).join(""));

const found: { seed: number; targets: string; rank: number; parameters: number; rate: number; loss: number }[] = [];
for (const seed of SEEDS) {
  const base = join(out, `base-${seed}`);
  const optimizer = { beta2: 0.99, weightDecay: 0.1 };
  await once(base, {
    ...{ ...common, architecture, tokenizer: "bytes", data: prose, steps: BASE_STEPS, seed },
    ...{ optimizer: { ...optimizer, lr: 3e-3 }, evaluateEvery: BASE_STEPS },
  });
  for (const adapter of adapters)
    for (const rate of RATES) {
      const [targets, { rank }] = [adapter.targets.join(","), adapter];
      const loss = await once(join(out, `${adapter.targets.join("-")}-${rate}-${seed}`), {
        ...{ ...common, model: base, quant: "f32", lora: { rank, targets }, data: code, steps: STEPS, seed },
        ...{ optimizer: { ...optimizer, lr: rate }, evaluateEvery: STEPS },
      });
      found.push({ seed, targets, rank, parameters: parameters(adapter), rate, loss });
      process.stderr.write(`seed ${seed}, ${targets} at ${rate}: ${loss.toFixed(4)}\n`);
    }
}

const of = (targets: string, rate: number) => found.filter((one) => one.targets === targets && one.rate === rate);
/** The rate with the lower mean loss. */
const best = (targets: string) =>
  RATES.map((rate) => of(targets, rate)).toSorted((a, b) => mean(a.map(lossOf)) - mean(b.map(lossOf)))[0]!;
const lossOf = ({ loss }: { loss: number }) => loss;
const reference = best("x_proj");
const rows = adapters.map((adapter) => {
  const own = best(adapter.targets.join(","));
  const less = own.map(({ loss }, i) => loss - reference[i]!.loss);
  return [
    ...[adapter.targets.map((name) => `\`${name}\``).join(", "), `${adapter.rank}`, `${parameters(adapter)}`],
    ...[`${own[0]!.rate}`, own.map(({ loss }) => figure(loss)).join(", ")],
    own[0]!.targets === "x_proj" ? "" : less.map((each) => signed(each)).join(", "),
  ];
});
writeFileSync(join(root, FOLDER, "lora.json"), `${JSON.stringify(found, undefined, 1)}\n`);
const header = ["targets", "rank", "parameters", "better rate", "held-out loss, by seed", "minus x_proj's"];
writeSection(`${FOLDER}/README.md`, "lora-targets", markdownTable(header, rows));
