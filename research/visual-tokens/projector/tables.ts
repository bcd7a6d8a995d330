/** Writes the page's tables from the committed results: `npx tsx research/visual-tokens/projector/tables.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pairedDelta } from "../../../src/lab/metrics/bootstrap.ts";
import { markdownTable, root, writeSection } from "../../../tools/section.ts";
import { shareText } from "../../common/shares.ts";
import { type About, type Arm, partsOf, perToken } from "./results.ts";

const FOLDER = "research/visual-tokens/projector";
export const PAGE = `${FOLDER}/README.md`;
export const SECTION = "projector/tables";
const COLUMNS = [
  "arm",
  "nats a token",
  "against dense",
  "against random",
  "best of ten",
  "best of ten over words",
  "GFLOP",
  "ms",
];

interface Results {
  readonly metadata: About;
  readonly arms: readonly Arm[];
}

function resultsOf(name: string): Results {
  const lines = readFileSync(join(root, FOLDER, `${name}.jsonl`), "utf8")
    .trim()
    .split("\n");
  const [metadata, ...arms] = lines.map((line) => JSON.parse(line));
  return { metadata, arms };
}

/** One model's results: how they were measured, and a row for each arm. */
function table({ metadata, arms }: Results): string {
  const { encoder, tokens, machine, words, captionTokens } = metadata;
  const [dense] = arms;
  const random = arms.find(({ arm }) => arm.includes("random"))!;
  const blind = perToken(words.map((nats, i) => [nats, captionTokens[i]!]));
  const against = (arm: Arm, other: Arm): string => {
    if (arm === other) return "";
    const { mean, ci95 } = pairedDelta(partsOf(arm, metadata), partsOf(other, metadata), perToken, { seed: 1 });
    const [delta, low, high] = [mean, ...ci95].map((x) => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(2)}`);
    return `${delta} [${low}, ${high}]`;
  };
  const rows = arms.map((arm) => [
    ...[`\`${arm.arm}\``, arm.natsPerToken.toFixed(2), against(arm, dense!), against(arm, random)],
    ...[shareText(arm.right), shareText(arm.rightOverWords)],
    ...[((encoder.flops + arm.flops) / 1e9).toFixed(1), (encoder.ms + arm.ms).toFixed(0)],
  ]);
  return [
    `${dense!.nats.length} drawings of ${tokens} tokens. The encoder takes ${(encoder.flops / 1e9).toFixed(1)} of the GFLOP and ${encoder.ms.toFixed(0)} of the ms (${machine}, medians of CPU time). After the words alone a caption costs ${blind.toFixed(2)} nats a token.`,
    markdownTable(COLUMNS, rows),
  ].join("\n\n");
}

/** Tables of the committed results, the largest training first. */
export function projectorSection(): string {
  const lora = resultsOf("256-tokens-lora");
  const [yopo] = resultsOf("256-tokens-lora-yopo").arms;
  const withYopo = { ...lora, arms: [...lora.arms, { ...yopo!, arm: `${yopo!.arm}, LoRA trained with it` }] };
  return [
    ...["### 256 tokens", table(resultsOf("256-tokens"))],
    ...["### 256 tokens, and LoRA on a tenth", table(withYopo)],
    ...["### 64 tokens", table(resultsOf("64-tokens"))],
  ].join("\n\n");
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, projectorSection());
