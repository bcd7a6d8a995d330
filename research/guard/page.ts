import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { mean } from "../../src/util/mean.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { signed } from "../common/figures.ts";

export const PAGE = "research/guard/README.md";
export const SECTION = "guard-results";

const score = z.object({
  mask: z.string(),
  ...{ tensors: z.number(), parameters: z.number(), illegal: z.number(), innocent: z.number() },
  selectivity: z.number(),
  saved: z.object({ flops: z.number(), bytes: z.number() }),
});
const schema = z.object({
  ...{ world: z.string(), seed: z.int(), ratio: z.number().optional() },
  roles: z.array(
    z.object({
      role: z.object({ illegal: z.string(), innocent: z.string() }),
      masks: z.array(score),
      soft: z.object({ ratio: z.number(), decided: z.number() }),
    }),
  ),
});
type Result = z.output<typeof schema>;
type Score = z.output<typeof score>;

/** The committed seeds of a folder. */
function results(name: string): Result[] {
  const folder = join(root, "research/guard/results", name);
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return files.map((file) => schema.parse(JSON.parse(readFileSync(join(folder, file), "utf8"))));
}

/** The kind of a mask: its name without the draw's number. */
const kindOf = (mask: string): string => mask.replace(/ \d+$/, "");
const three = (value: number): string => value.toFixed(3);
const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** A row per role and kind of mask: means over seeds and draws, and each seed's selectivity. */
function rowsOf(all: readonly Result[], illegal: string): string[][] {
  const seeds = all.map(({ roles }) => roles.find(({ role }) => role.illegal === illegal)!.masks);
  const kinds = unique(seeds.flat().map(({ mask }) => kindOf(mask)));
  return kinds.map((kind) => {
    const own = seeds.map((masks) => masks.filter(({ mask }) => kindOf(mask) === kind));
    const over = (field: Exclude<keyof Score, "mask" | "saved">) => mean(own.flat().map((s) => s[field]));
    return [
      ...[illegal, kind, percent(over("tensors")), percent(over("parameters"))],
      ...[three(over("illegal")), three(over("innocent")), signed(over("selectivity"))],
      own.map((masks) => signed(mean(masks.map(({ selectivity }) => selectivity)))).join(", "),
      ...(["flops", "bytes"] as const).map((field) => percent(mean(own.flat().map(({ saved }) => saved[field])))),
    ];
  });
}

/**
 * The learned mask's selectivity minus the matched masks', averaged over seeds, and the number of seeds in which it
 * beats the best of them.
 */
function gate(all: readonly Result[], illegal: string): string {
  const margins = all.map(({ roles }) => {
    const { masks } = roles.find(({ role }) => role.illegal === illegal)!;
    const learned = masks.find(({ mask }) => mask === "learned")!.selectivity;
    const matched = masks.filter(({ mask }) => kindOf(mask) === "random by parameters").map((s) => s.selectivity);
    return { mean: learned - mean(matched), best: learned > Math.max(...matched) };
  });
  const over = mean(margins.map((margin) => margin.mean));
  const best = margins.filter((margin) => margin.best).length;
  const verdict = over > 0 ? "holds" : "does not hold";
  return `- **${illegal} illegal**: the gate ${verdict}: learned minus matched is ${signed(over)} (by seed ${margins.map((m) => signed(m.mean)).join(", ")}); above the best of three matched masks in ${best} of ${all.length} seeds.`;
}

/** A world's table of all masks, and its gates. */
function worldSection(all: readonly Result[]): string {
  if (all.length === 0) return "No seed has run yet.";
  const illegal = all[0]!.roles.map(({ role }) => role.illegal);
  const head = [
    "illegal",
    "mask",
    "tensors",
    "parameters",
    "a illegal",
    "a innocent",
    "selectivity",
    "by seed",
    "FLOPs saved",
    "bytes saved",
  ];
  const table = markdownTable(
    head,
    illegal.flatMap((name) => rowsOf(all, name)),
  );
  const soft = all.flatMap(({ roles }) => roles.map((r) => r.soft));
  const ratios = soft.map(({ ratio }) => ratio);
  const range = `m's mean is ${three(Math.min(...ratios))} to ${three(Math.max(...ratios))}, and ${percent(mean(soft.map((s) => s.decided)))} of the shares are below 0.1 or above 0.9.`;
  return [
    `Seeds ${all.map(({ seed }) => seed).join(", ")}. ${range}`,
    table,
    illegal.map((name) => gate(all, name)).join("\n"),
  ].join("\n\n");
}

/** The ratio of the runs that were given none. */
const USUAL = 0.4;

/** A row per role and ratio: the learned mask against the matched ones, means over seeds. */
function ratioRows(all: readonly Result[], illegal: string): string[][] {
  const ratios = unique(all.map(({ ratio = USUAL }) => ratio)).sort((a, b) => a - b);
  return ratios.map((ratio) => {
    const own = all.filter((result) => (result.ratio ?? USUAL) === ratio);
    const roles = own.map(({ roles }) => roles.find(({ role }) => role.illegal === illegal)!);
    const of = (kind: string) => roles.flatMap(({ masks }) => masks.filter(({ mask }) => kindOf(mask) === kind));
    const [learned, matched] = [of("learned"), of("random by parameters")];
    const over = (scores: readonly Score[], field: "illegal" | "innocent" | "parameters" | "selectivity") =>
      mean(scores.map((s) => s[field]));
    return [
      ...[illegal, String(ratio), three(mean(roles.map(({ soft }) => soft.ratio)))],
      percent(over(learned, "parameters")),
      ...(["illegal", "innocent"] as const).flatMap((side) => [three(over(learned, side)), three(over(matched, side))]),
      signed(over(learned, "selectivity") - over(matched, "selectivity")),
      String(own.length),
    ];
  });
}

/** Shares of frozen tensors against what users learn; the runs of the first table are among them. */
function ratioSection(shapes: readonly Result[]): string {
  const swept = results("ratios");
  if (swept.length === 0) return "No ratio but 0.4 has run yet.";
  const seeds = new Set(swept.map(({ seed }) => seed));
  const all = [...swept, ...shapes.filter(({ seed }) => seeds.has(seed))];
  const head = ["illegal", "ratio", "m's mean", "parameters", "a illegal", "matched", "a innocent", "matched"];
  const rows = all[0]!.roles.flatMap(({ role }) => ratioRows(all, role.illegal));
  return markdownTable([...head, "learned minus matched selectivity", "seeds"], rows);
}

export function guardSection(): string {
  const shapes = results("shapes");
  return [
    worldSection(shapes),
    "### Other ratios, on shapes",
    ratioSection(shapes),
    "### Digits",
    worldSection(results("digits")),
  ].join("\n\n");
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, guardSection());
