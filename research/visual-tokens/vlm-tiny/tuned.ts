/** Writes the section of vlm-tiny tuned under cuts, from the answers of tune.ts: `npx tsx research/visual-tokens/vlm-tiny/tuned.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "../../../tools/section.ts";
import { difference, percent, shareOf, shareText } from "../../common/shares.ts";
import { TIME_HEAD, timeOf } from "../attributes/times.ts";
import { yopoSaved } from "../yopo-saved.ts";
import { type Arm, arms, type Told, type Tuned, tunedFile } from "./tuned-arms.ts";

export const PAGE = "research/visual-tokens/yopo/README.md";
export const SECTION = "vlm-tiny/tuned";
const scenes = ["one", "several"] as const;

interface Config {
  readonly text_config: { hidden_size: number; intermediate_size: number; num_hidden_layers: number };
  readonly vision_config: { image_size: number; patch_size: number };
}

/** The share of visual FLOPs that a recipe saves, as YOPO's paper counts them. */
function saved({ recipe }: Arm): number {
  const config: Config = JSON.parse(readFileSync(join(root, "packages/models/vlm-tiny/config.json"), "utf8"));
  const { hidden_size: hidden, intermediate_size: intermediate, num_hidden_layers: layers } = config.text_config;
  const tokens = (config.vision_config.image_size / config.vision_config.patch_size) ** 2;
  const sizes = { tokens, hidden, intermediate, layers };
  return yopoSaved(recipe === undefined ? [] : [recipe], sizes);
}

function rowOf({ steps, told }: Tuned, arm: Arm): string[] {
  const of = (name: string, when: Told["when"]) => told.find((one) => one.name === name && one.when === when)!.right;
  const [before, after, dense] = [of(arm.name, "before"), of(arm.name, "after"), of("dense", "after")];
  return [
    arm.recipe === undefined ? arm.name : `\`${arm.recipe}\``,
    String(steps),
    percent(saved(arm)),
    timeOf("vlm-tiny", arm.recipe === undefined ? [] : [arm.recipe]),
    scenes.map((kind) => percent(shareOf(before[kind]))).join(", "),
    ...scenes.map((kind) => shareText(after[kind])),
    arm.recipe === undefined ? "" : difference(after.one + after.several, dense.one + dense.several).text,
  ];
}

/** The section, from the committed answers. */
export function tunedOnDrawings(): string {
  const all: Tuned[] = JSON.parse(readFileSync(tunedFile, "utf8"));
  const head = [
    ...["tuned and asked under", "steps", "visual FLOPs saved", TIME_HEAD, "before: one thing, several"],
    ...["after: one thing", "several", "both, against dense, in points"],
  ];
  return markdownTable(
    head,
    all.flatMap((one) => arms.map((arm) => rowOf(one, arm))),
  );
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, tunedOnDrawings());
