import { duration, figure, flopsText, percent, range, signed } from "../../../src/lab/report/format.ts";
import { mean } from "../../../src/util/mean.ts";
import { markdownTable } from "../../../tools/section.ts";
import type { World } from "./results.ts";

/** The mean over seeds, with their least and greatest if there are several. */
function over(worlds: readonly World[], of: (world: World) => number, write: (x: number) => string = figure): string {
  const values = worlds.map(of);
  const spread = range([Math.min(...values), Math.max(...values)], write);
  return `${write(mean(values))}${values.length > 1 ? ` ${spread}` : ""}`;
}

function gatesTable(worlds: readonly World[]): string {
  const gateOf = (world: World, name: string) => world.gates.find(({ gate }) => gate === name)!;
  return markdownTable(
    [
      "gate",
      "AUROC",
      "above random",
      "95 % of the first world",
      "shuffled",
      "rate for always' accuracy",
      "accuracy there",
      "least",
      "accuracy at a wanted 60 %",
    ],
    worlds[0]!.gates.map(({ gate, above_random }) => {
      const by = (of: (result: World["gates"][number]) => number, write = figure) =>
        over(worlds, (world) => of(gateOf(world, gate)), write);
      return [
        gate,
        by((it) => it.auroc.mean),
        by((it) => it.above_random.mean),
        range(above_random.ci95),
        by((it) => it.above_random_shuffled),
        by((it) => it.by_accuracy.rate, percent),
        by((it) => it.by_accuracy.accuracy),
        by((it) => it.least_rate, percent),
        by((it) => it.by_rate[5]!.accuracy),
      ];
    }),
  );
}

/** Each half by thresholds of the other: all questions, at the rate of the goal. */
const bothWaysTable = (worlds: readonly World[]): string =>
  markdownTable(
    ["gate, both ways", "rate, 60 % wanted", "accuracy less always'", "95 % of the first world"],
    worlds[0]!.both_ways.map(({ gate, ci95 }, i) => [
      gate,
      over(worlds, ({ both_ways }) => both_ways[i]!.rate, percent),
      over(worlds, ({ both_ways }) => both_ways[i]!.delta, signed),
      range(ci95, signed),
    ]),
  );

const groupsTable = (worlds: readonly World[]): string =>
  markdownTable(
    ["questions about", "of the first world", "never", "always", "classifier", "its rate"],
    Object.entries(worlds[0]!.groups).map(([name, { questions }]) => {
      const of = (key: "never" | "always" | "gated" | "rate", write = figure) =>
        over(worlds, ({ groups }) => groups[name]![key], write);
      return [name, String(questions), of("never"), of("always"), of("gated"), of("rate", percent)];
    }),
  );

const costTable = (worlds: readonly World[]): string =>
  markdownTable(
    ["gate's cost, of a retrieval's", "break-even predicted", "counted"],
    worlds[0]!.cost.break_even.map(({ gate }, i) => [
      percent(gate),
      over(worlds, ({ cost }) => cost.break_even[i]!.predicted),
      over(worlds, ({ cost }) => cost.break_even[i]!.counted),
    ]),
  );

const ratesTable = (worlds: readonly World[]): string =>
  markdownTable(
    ["wanted rate", "classifier's rate", "its accuracy"],
    worlds[0]!.gates[0]!.by_rate.map(({ wanted }, i) => [
      percent(wanted),
      over(worlds, ({ gates }) => gates[0]!.by_rate[i]!.rate, percent),
      over(worlds, ({ gates }) => gates[0]!.by_rate[i]!.accuracy),
    ]),
  );

/** Parts of the cost and what they predict, beside a run that was counted. */
const partsTable = (worlds: readonly World[]): string =>
  markdownTable(
    [
      "a question costs",
      "plain",
      "retrieval adds",
      "thrown away",
      "predicted under the margin gate",
      "measured",
      "off by",
    ],
    (["flops", "ms"] as const).map((unit) => {
      const of = (part: (cost: World["cost"]["flops"]) => number, write: (x: number) => string) =>
        over(worlds, ({ cost }) => part(cost[unit]), write);
      const write = unit === "flops" ? flopsText : duration;
      return [
        unit === "flops" ? "FLOPs" : "time",
        of(({ parts }) => parts.plain, write),
        of(({ parts }) => parts.extra, write),
        of(({ parts }) => parts.wasted ?? 0, write),
        of(({ predicted }) => predicted, write),
        of(({ measured }) => measured, write),
        of(({ measured, predicted }) => measured / predicted - 1, percent),
      ];
    }),
  );

function switchLine(worlds: readonly World[]): string {
  const sum = (of: (world: World) => number) => worlds.reduce((total, world) => total + of(world), 0);
  const facts = sum(({ switched }) => switched.facts);
  return (
    `${facts} facts that only the index had were taken out and put back: ${sum(({ switched }) => switched.rightWithout)} answers were right ` +
    `without them, ${sum(({ switched }) => switched.rightWith)} with them; the gate read the same margin, to 1e-4, for ${sum(({ switched }) => switched.sameSignals)}.`
  );
}

/** The results' page, below its introduction. */
export const section = (worlds: readonly World[]): string =>
  [
    `${worlds.length === 1 ? "One world" : `${worlds.length} worlds; means, with the least and the greatest`}. ` +
      `${worlds[0]!.questions.test} questions each, and as many others for thresholds; the passages tell ${over(worlds, ({ covered }) => covered, percent)} of the right values.`,
    groupsTable(worlds),
    gatesTable(worlds),
    bothWaysTable(worlds),
    ratesTable(worlds),
    costTable(worlds),
    partsTable(worlds),
    switchLine(worlds),
  ].join("\n\n");
