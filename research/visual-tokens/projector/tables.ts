/** Writes the page's tables from the committed results: `npx tsx research/visual-tokens/projector/tables.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pairedDelta } from "../../../src/lab/metrics/bootstrap.ts";
import { markdownTable, root, writeSection } from "../../../tools/section.ts";
import { shareText } from "../../common/shares.ts";
import { type About, type Arm, type Costs, partsOf, perToken } from "./results.ts";

const FOLDER = "research/visual-tokens/projector";
export const PAGE = `${FOLDER}/README.md`;
export const SECTION = "projector/tables";
const RESULTS = `${FOLDER}/trained.jsonl`;
const COSTS = `${FOLDER}/costs-256.json`;

/** The arms of the committed results. */
export function projectorSection(): string {
  const [metadata, ...arms] = readFileSync(join(root, RESULTS), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line)) as [About, Arm, ...Arm[]];
  const [dense] = arms as [Arm, ...Arm[]];
  const parts = (arm: Arm) => partsOf(arm, metadata);
  const { encoder, tokens, machine, words, captionTokens } = metadata;
  const blind = perToken(words.map((nats, i) => [nats, captionTokens[i]!]));
  const random = arms.find(({ arm }) => arm.includes("random"))!;
  const against = (arm: Arm, other: Arm): string => {
    const { mean, ci95 } = pairedDelta(parts(arm), parts(other), perToken, { seed: 1 });
    const [delta, low, high] = [mean, ...ci95].map((x) => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(2)}`);
    return arm === other ? "" : `${delta} [${low}, ${high}]`;
  };
  const rows = arms.map((arm) => [
    ...[`\`${arm.arm}\``, arm.natsPerToken.toFixed(2), against(arm, dense), against(arm, random)],
    ...[shareText(arm.right), shareText(arm.rightOverWords)],
    ...[((encoder.flops + arm.flops) / 1e9).toFixed(1), (encoder.ms + arm.ms).toFixed(0)],
  ]);
  return [
    `${dense.nats.length} drawings of ${tokens} tokens. The encoder is ${(encoder.flops / 1e9).toFixed(1)} of the GFLOP and ${encoder.ms.toFixed(0)} of the ms (${machine}, medians of the processor's time). Behind the words alone a caption takes ${blind.toFixed(2)} nats a token.`,
    markdownTable(
      [
        "arm",
        "nats a token",
        "against dense",
        "against random",
        "best of ten",
        "best of ten over words",
        "GFLOP",
        "ms",
      ],
      rows,
    ),
    costsSection(),
  ].join("\n\n");
}

/** FLOPs and time of the arms with 256 tokens. */
function costsSection(): string {
  const costs = JSON.parse(readFileSync(join(root, COSTS), "utf8")) as Costs;
  const { tokens, drawings, encoder, arms } = costs;
  const rows = arms.map(({ arm, flops, ms }) => [
    `\`${arm}\``,
    ((encoder.flops + flops) / 1e9).toFixed(1),
    (encoder.ms + ms).toFixed(0),
  ]);
  return [
    `Costs of ${tokens} tokens, from ${drawings} drawings behind a projector that learned next to nothing. The encoder is ${(encoder.flops / 1e9).toFixed(1)} of the GFLOP and ${encoder.ms.toFixed(0)} of the ms.`,
    markdownTable(["arm", "GFLOP", "ms"], rows),
  ].join("\n\n");
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, projectorSection());
