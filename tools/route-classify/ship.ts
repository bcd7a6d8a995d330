import { join } from "node:path";
import { writeHead } from "../../src/pipelines/classify/head.ts";
import { pairCalibration, pairFiles } from "../../src/pipelines/route/classify-pair.ts";
import { keepJson, writeWhole } from "../../src/util/write-whole.ts";
import type { DataSet } from "./data.ts";
import { outcomesOf, SCORINGS } from "./measure.ts";
import type { SeedRun } from "./run.ts";

const six = (score: number): number => Number(score.toPrecision(6));

/** Keeps a pair's heads and calibration in `DIR/SWIFT+SUPER/classify-SET`, with a card. */
export async function ship(dir: string, set: DataSet, run: SeedRun, args: readonly string[]): Promise<void> {
  const { swift, super: strong } = run;
  const pair = `${swift.name.replace("@layers=", "-")}+${strong.name}`;
  const folder = join(dir, pair, `classify-${set.name}`);
  const files = pairFiles(folder);
  await writeHead(files.swift, swift.head);
  await writeHead(files.super, strong.head);
  const scoring = SCORINGS["energy"]!;
  const rows = outcomesOf(run.calibration, scoring).sort((a, b) => a.score - b.score);
  const calibration = pairCalibration.parse({
    ...scoring,
    data: { name: set.name, rows: rows.length },
    scores: rows.map(({ score }) => six(score)),
    swift: rows.map((row) => row.swift),
    super: rows.map((row) => row.super),
  });
  await keepJson(files.calibration, calibration);
  await writeWhole(join(folder, "README.md"), card(set, run, args));
}

const percent = (rows: SeedRun["test"], of: "swift" | "super"): string =>
  `${((100 * rows.reduce((sum, row) => sum + row[of], 0)) / rows.length).toFixed(1)} %`;

const card = (set: DataSet, { swift, super: strong, split, test }: SeedRun, args: readonly string[]): string => `\
# ${swift.name} > ${strong.name} on ${set.name}

Two logistic heads for ${set.labels.length} labels: \`swift.json\` reads \`${swift.name}\`, \`super.json\` reads \`${strong.name}\`. \`calibration.json\` holds
Swift's energies for ${split.calibration.length} rows that no head was trained on, from which any threshold follows.

| head | model's SHA-256 | L2 | accuracy on ${test.length} test rows |
| --- | --- | --- | --- |
| Swift | \`${swift.head.model.sha256.slice(0, 16)}…\` | ${swift.head.training.l2} | ${percent(test, "swift")} |
| Super | \`${strong.head.model.sha256.slice(0, 16)}…\` | ${strong.head.training.l2} | ${percent(test, "super")} |

Trained on ${split.train.length} rows of ${set.name} (rows' SHA-256 \`${set.sha256.slice(0, 16)}…\`), seed ${swift.head.training.seed}. The L2 was chosen on the calibration rows.
A head is refused for any other model. Results: [docs/results/route-classify](../../../docs/results/route-classify/README.md).

\`\`\`ts
import { openClassifyPair } from "./src/pipelines/route/classify-pair.ts";

using pair = await openClassifyPair("models/${swift.name.replace("@layers=", "-")}+${strong.name}/classify-${set.name}", { by: "share", value: 0.3 });
const { results, receipt } = await pair.classify(["a text"]);
\`\`\`

Made again by:

\`\`\`sh
npx tsx tools/route-classify.ts ${args.join(" ")}
\`\`\`
`;
