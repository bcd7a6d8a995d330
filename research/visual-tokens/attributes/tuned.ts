/** Writes the section of models tuned under cuts: `npx tsx research/visual-tokens/attributes/tuned.ts [OUT]`. With the folder of `tune.ts`, its answers are copied first. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "../../../tools/section.ts";
import { difference, percent, shareOf, shareText } from "../../common/shares.ts";
import { type Answers, type Asked, askedKinds } from "./measure.ts";
import { load, pageOf } from "./results.ts";
import { savedOf } from "./saved.ts";
import { TIME_HEAD, timeOf } from "./times.ts";
import { type Arm, arms } from "./tuned-arms.ts";

/** The answers of an arm; random keys have no recipe whose FLOPs could be counted. */
interface Told extends Pick<Answers, "right">, Partial<Omit<Answers, "right">> {
  readonly name: string;
  readonly when: "before" | "after";
}

const FILE = join(root, "research/visual-tokens/yopo/tuned.json");
export const SECTION = "attributes/tuned";

function collect(out: string): void {
  const files = arms.flatMap(({ name }) =>
    ["before", "after"].map((when) => join(out, "answers", `${name} ${when}.json`)),
  );
  const records = files
    .filter((file) => existsSync(file))
    .map((file) => JSON.parse(readFileSync(file, "utf8")) as Told);
  writeFileSync(FILE, `${JSON.stringify(records)}\n`);
}

/** The answers by arm and time. */
class Tuned {
  constructor(private readonly all: readonly Told[]) {}

  find(name: string, when: Told["when"]): Told | undefined {
    return this.all.find((one) => one.name === name && one.when === when);
  }

  share(name: string, when: Told["when"], kind: Asked): number {
    const record = this.find(name, when);
    return record ? shareOf(record.right[kind]) : Number.NaN;
  }

  /** The difference of all right answers between two arms, in points, with the interval. */
  against(one: Told, other: Told): { readonly delta: number; readonly text: string } {
    const of = ({ right }: Told) => askedKinds.map((kind) => right[kind]).join("");
    return difference(of(one), of(other));
  }
}

const saved = (record: Told): number => savedOf("yopo", { ...(record as Answers), name: record.name }, load("yopo"));

function rowOf(tuned: Tuned, { name, recipe }: Arm): string[] | undefined {
  const [before, after, dense] = [tuned.find(name, "before"), tuned.find(name, "after"), tuned.find("dense", "after")];
  const record = after ?? before;
  if (!record) return undefined;
  const { flops } = record;
  return [
    recipe === undefined ? name : `\`${recipe}\``,
    flops ? percent(saved(record)) : "",
    flops ? percent(1 - flops.spent / flops.dense) : "",
    flops ? timeOf("world", recipe === undefined ? [] : [recipe]) : "",
    before ? askedKinds.map((kind) => percent(shareOf(before.right[kind]))).join(", ") : "",
    ...askedKinds.map((kind) => (after ? shareText(after.right[kind]) : "")),
    after && dense && after !== dense ? tuned.against(after, dense).text : "",
  ];
}

const answersTable = (tuned: Tuned): string =>
  markdownTable(
    [
      "tuned and asked under",
      "visual FLOPs saved",
      "all FLOPs saved",
      TIME_HEAD,
      "before: where, whole, read",
      "after: where",
      "whole",
      "read",
      "all three, against dense, in points",
    ],
    arms.flatMap((arm) => {
      const row = rowOf(tuned, arm);
      return row ? [row] : [];
    }),
  );

interface Gate {
  readonly claim: string;
  readonly found: string;
  readonly holds: boolean;
}

function gates(tuned: Tuned): Gate[] {
  const after = (name: string) => tuned.share(name, "after", "where");
  const where = (...names: readonly string[]) => names.map((name) => `${name}: ${percent(after(name))}`).join("; ");
  const isTuned = (...names: readonly string[]) => names.every((name) => tuned.find(name, "after"));
  const half = "half of the neurons";
  const all: readonly (Gate & { readonly of: readonly string[] })[] = [
    {
      of: ["radius 2"],
      claim: "neighbours within 2 find what all keys find, within two points",
      found: where("radius 2", "dense"),
      holds: after("dense") - after("radius 2") <= 0.02,
    },
    {
      of: ["radius 0", "radius 2"],
      claim: "a token that sees itself alone of its image finds less than with neighbours within 2",
      found: where("radius 0", "radius 2"),
      holds: after("radius 0") < after("radius 2"),
    },
    {
      of: [RANDOM, "radius 2"],
      claim: "as many random keys find less than neighbours within 2",
      found: where(RANDOM, "radius 2"),
      holds: after(RANDOM) < after("radius 2"),
    },
    {
      of: [half],
      claim: "half of the neurons lose without tuning, and come back within two points with it",
      found: `before ${percent(tuned.share(half, "before", "where"))}, after ${percent(after(half))}`,
      holds: tuned.share(half, "before", "where") < 0.98 && after("dense") - after(half) <= 0.02,
    },
  ];
  return [...farthest(tuned), ...all.filter(({ of }) => isTuned("dense", ...of))];
}

/** The claim of the whole method, on the best of the arms that save enough. */
function farthest(tuned: Tuned): Gate[] {
  const dense = tuned.find("dense", "after");
  const far = arms.flatMap(({ name, recipe }) => {
    const record = tuned.find(name, "after");
    return record && dense && recipe !== undefined && saved(record) >= 0.8
      ? [{ recipe, ...tuned.against(record, dense) }]
      : [];
  });
  const best = far.toSorted((a, b) => b.delta - a.delta)[0];
  if (!best) return [];
  const claim = "80 % of the visual FLOPs or more off at one point or less, after tuning";
  return [{ claim, found: `\`${best.recipe}\`: ${best.text} points`, holds: best.delta >= -0.01 }];
}

const RANDOM = "random keys, as many as within 2";

const gatesTable = (tuned: Tuned): string =>
  markdownTable(
    ["claim", "found", "holds"],
    gates(tuned).map(({ claim, found, holds }) => [claim, found, holds ? "yes" : "no"]),
  );

/** The section, from the committed answers. */
export function tunedSection(): string {
  const tuned = new Tuned(JSON.parse(readFileSync(FILE, "utf8")) as Told[]);
  return `${answersTable(tuned)}\n\n${gatesTable(tuned)}`;
}

if (process.argv[1] === import.meta.filename) {
  const [out] = process.argv.slice(2);
  if (out) collect(out);
  writeSection(pageOf("yopo"), SECTION, tunedSection());
}
