import { mean } from "../../src/util/mean.ts";
import { markdownTable } from "../../tools/section.ts";
import { overSeeds } from "../common/over-seeds.ts";
import type { Kind } from "./arms.ts";
import { type MatchedLine, MIXED, matchedLines, type TuningLine, tuningLines } from "./matched-lines.ts";
import { NAMES, signed } from "./tables.ts";

const REFERENCE: Kind = "gpt2";
const kindsOf = (lines: readonly { readonly kind: Kind }[]): Kind[] => [...new Set(lines.map(({ kind }) => kind))];

/** Held-out losses after all steps at each rate, with the tuning seed. */
function ratesTable(lines: readonly TuningLine[]): string {
  const all = Math.max(...lines.map(({ steps }) => steps));
  const whole = lines.filter(({ steps }) => steps === all);
  const rates = [...new Set(whole.map(({ rate }) => rate))].toSorted((a, b) => a - b);
  const rows = kindsOf(whole).map((kind) => {
    const lossAt = new Map(whole.filter((line) => line.kind === kind).map(({ rate, loss }) => [rate, loss]));
    const best = Math.min(...lossAt.values());
    return [
      NAMES[kind],
      ...rates.map((rate) => {
        const loss = lossAt.get(rate);
        return loss === undefined ? "" : loss === best ? `**${loss.toFixed(3)}**` : loss.toFixed(3);
      }),
    ];
  });
  return markdownTable(["held-out loss at rate", ...rates.map(String)], rows);
}

const logKl = ({ arms }: MatchedLine, arm: string): number => Math.log10(arms[arm]!.kl);

/** Lines of one kind, rate and number of steps, by seed. */
function groupsOf(lines: readonly MatchedLine[]): MatchedLine[][] {
  const keyOf = ({ kind, rate, steps }: MatchedLine) => `${kind} ${rate} ${steps}`;
  const order = Object.keys(NAMES);
  const keys = [...new Set(lines.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind)).map(keyOf))];
  return keys.map((key) => lines.filter((line) => keyOf(line) === key).toSorted((a, b) => a.seed - b.seed));
}

function divergenceTable(lines: readonly MatchedLine[]): string {
  const groups = groupsOf(lines);
  const gpt = groups.find(([line]) => line!.kind === REFERENCE);
  const one = (value: number) => signed(value, 1);
  const rows = groups.flatMap((seeds) =>
    [MIXED, "another seed"].map((arm) => {
      const { kind, rate, steps } = seeds[0]!;
      const less = seeds.flatMap((line) => {
        const other = gpt?.find(({ seed }) => seed === line.seed);
        return other ? [logKl(line, arm) - logKl(other, arm)] : [];
      });
      return [
        ...[NAMES[kind], `${rate}`, `${steps}`, seeds.map(({ loss }) => loss.fp32.toFixed(3)).join(", ")],
        ...[arm, seeds.map(({ arms }) => arms[arm]!.kl.toExponential(1)).join(", ")],
        overSeeds(
          seeds.map((line) => logKl(line, arm)),
          one,
        ),
        kind === REFERENCE || less.length === 0 ? "" : overSeeds(less, one),
        `${(100 * mean(seeds.map(({ arms }) => arms[arm]!.agreement))).toFixed(1)} %`,
      ];
    }),
  );
  const head = ["model", "rate", "steps", "held-out loss in float32", "arm", "KL from fp32's, by seed"];
  return markdownTable([...head, "log10 KL, mean [95 %]", "minus the GPT's", "same top"], rows);
}

/** The tables of peers at equal held-out loss; none before the first run. */
export function matchedTables(): string[] {
  const [tuning, matched] = [tuningLines(), matchedLines()];
  return [
    ...(tuning.length > 0 ? ["### Rates of the larger peers", ratesTable(tuning)] : []),
    ...(matched.length > 0 ? ["### Divergence of the larger peers at equal loss", divergenceTable(matched)] : []),
  ];
}
