import { basename, isAbsolute, join } from "node:path";
import { writeHead } from "../../src/pipelines/classify/head.ts";
import type { Outcome } from "../../src/pipelines/metrics.ts";
import { pairCalibrations, pairFiles } from "../../src/pipelines/route/classify-pair.ts";
import type { ScoreOptions } from "../../src/pipelines/scores.ts";
import { keepJson, writeWhole } from "../../src/util/write-whole.ts";
import type { DataSet } from "./data.ts";
import { type Judged, outcomesOf, qualityOf, SCORINGS } from "./measure.ts";
import type { SeedRun } from "./run.ts";

const six = (score: number): number => Number(score.toPrecision(6));

/** The provenance on a card: the data set, its licence, and the command. */
export interface Origin {
  readonly source: string;
  readonly args: readonly string[];
}

/** Keeps a pair's heads and calibration in `DIR/SWIFT+SUPER/classify-SET`, with a card. */
export async function ship(dir: string, set: DataSet, run: SeedRun, origin: Origin): Promise<void> {
  const { swift, super: strong } = run;
  const pair = `${swift.name.replace("@layers=", "-")}+${strong.name}`;
  const folder = join(dir, pair, `classify-${set.name}`);
  const files = pairFiles(folder);
  await writeHead(files.swift, swift.head);
  await writeHead(files.super, strong.head);
  await keepJson(files.calibration, calibrationsOf(set, run.calibration));
  await writeWhole(join(folder, "README.md"), card(set, run, origin));
}

/** Energy and softmax, with the one that predicts Swift's errors better on these rows first. */
export function calibrationsOf(set: DataSet, judged: readonly Judged[]) {
  const calibrations = ["energy", "softmax"].map((name) => {
    const outcomes = outcomesOf(judged, SCORINGS[name]!);
    return { auroc: qualityOf(outcomes).auroc, calibration: calibrationOf(set, SCORINGS[name]!, outcomes) };
  });
  const sorted = calibrations.sort((a, b) => b.auroc - a.auroc).map(({ calibration }) => calibration);
  return pairCalibrations.parse({ calibrations: sorted });
}

function calibrationOf(set: DataSet, scoring: ScoreOptions, outcomes: readonly Outcome[]) {
  const rows = outcomes.toSorted((a, b) => a.score - b.score);
  return {
    ...scoring,
    data: { name: set.name, rows: rows.length },
    scores: rows.map(({ score }) => six(score)),
    swift: rows.map((row) => row.swift),
    super: rows.map((row) => row.super),
  };
}

const percent = (rows: SeedRun["test"], of: "swift" | "super"): string =>
  `${((100 * rows.reduce((sum, row) => sum + row[of], 0)) / rows.length).toFixed(1)} %`;

/** The command's words without folders of this machine. */
const words = (args: readonly string[]): string =>
  args
    .map((word) => (isAbsolute(word) ? basename(word) : /[^\w@=:./-]/.test(word) ? JSON.stringify(word) : word))
    .join(" ");

const card = (set: DataSet, { swift, super: strong, split, test }: SeedRun, { source, args }: Origin): string => `\
# ${swift.name} > ${strong.name} on ${set.name}

Two logistic heads for ${set.labels.length} labels: \`swift.json\` reads \`${swift.name}\`, \`super.json\` reads \`${strong.name}\`. \`calibration.json\` holds
Swift's energies and softmax scores for ${split.calibration.length} rows that no head was trained on, from which any threshold follows; the score that
tells Swift's errors better there comes first, and is taken if nothing else is said.

| head | model's SHA-256 | L2 | accuracy on ${test.length} test rows |
| --- | --- | --- | --- |
| Swift | \`${swift.head.model.sha256.slice(0, 16)}…\` | ${swift.head.training.l2} | ${percent(test, "swift")} |
| Super | \`${strong.head.model.sha256.slice(0, 16)}…\` | ${strong.head.training.l2} | ${percent(test, "super")} |

Data: ${source}.

Trained on ${split.train.length} rows (all rows' SHA-256 \`${set.sha256.slice(0, 16)}…\`), seed ${swift.head.training.seed}. The L2 was chosen on the calibration rows.
A head is refused for any other model. Results: [research/route-classify](../../../research/route-classify/README.md).

\`\`\`ts
import { openClassifyPair } from "./src/pipelines/route/classify-pair.ts";

using pair = await openClassifyPair("models/${swift.name.replace("@layers=", "-")}+${strong.name}/classify-${set.name}", { by: "share", value: 0.3 });
const { results, receipt } = await pair.classify(["a text"]);
\`\`\`

Made again by:

\`\`\`sh
npx tsx research/route-classify/main.ts ${words(args)}
\`\`\`
`;
