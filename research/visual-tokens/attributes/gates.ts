import { makeScenes } from "../../../src/lab/data/attributes/scene.ts";
import { markdownTable } from "../../../tools/section.ts";
import { type Asked, PICTURES, questionOf, SEED, SIDE } from "./measure.ts";
import type { Named, Results } from "./results.ts";

/** A check of a paper's claim: the finding, and whether the claim holds; undefined if it did not apply. */
interface Gate {
  readonly claim: string;
  readonly found: string;
  readonly holds: boolean | undefined;
}

/** The bias from which on the claims about rotary embeddings are checked. */
const BIASED = 0.55;

const shareOf = (right: string): number => [...right].filter((digit) => digit === "1").length / right.length;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Shares of right answers by the names of recipes. */
class Shares {
  constructor(private readonly answers: readonly Named[]) {}

  of(name: string, kind: Asked = "where"): number {
    return shareOf(this.named(name).right[kind]);
  }

  named(name: string): Named {
    const found = this.answers.find((one) => one.name === name);
    if (!found) throw new Error(`no answers of ${name}`);
    return found;
  }

  /** The share of dense's right answers that a recipe loses. */
  loss(name: string, kind: Asked): number {
    return 1 - this.of(name, kind) / this.of("dense", kind);
  }

  /** A sentence of shares, in the order of the names. */
  told(...names: readonly string[]): string {
    return names.map((name) => `${name}: ${percent(this.of(name))}`).join("; ");
  }
}

const falls = (values: readonly number[]): boolean => values.every((value, i) => i === 0 || value <= values[i - 1]!);

export function featherGates({ answers, bias }: Results): string {
  const shares = new Shares(answers);
  const [where, whole] = [shares.loss("fastv 1", "where"), shares.loss("fastv 1", "whole")];
  const [top, bottom] = thirds(shares.named("fastv 1").right.where);
  const most = Math.max(...bias.map(({ rotary }) => rotary));
  const rotary = [1, 2, 3].map((after): Gate => {
    const biased = bias.find((one) => one.after === after)!.rotary;
    const claim = `without the rotary embedding more is found than with it, after layer ${after} (if the bias exceeds ${BIASED})`;
    const found = `bias ${biased.toFixed(2)}; ${shares.told(`no rotary ${after}`, `fastv ${after}`)}`;
    const holds = biased > BIASED ? shares.of(`no rotary ${after}`) > shares.of(`fastv ${after}`) : undefined;
    return { claim, found, holds };
  });
  return table([
    {
      claim: "FastV after layer 1 loses three times as much of `where` as of `whole`",
      found: `loses ${percent(where)} and ${percent(whole)}`,
      holds: where >= 3 * Math.max(0, whole),
    },
    ...rotary,
    {
      claim: "the union finds more than both of its parts at equal counts, after layer 3",
      found: shares.told("union, as many 3", "no rotary 3", "uniform 3"),
      holds: shares.of("union, as many 3") > Math.max(shares.of("no rotary 3"), shares.of("uniform 3")),
    },
    {
      claim: "the later, the more is found",
      found: shares.told("fastv 1", "fastv 2", "fastv 3"),
      holds: falls([3, 2, 1].map((after) => shares.of(`fastv ${after}`))),
    },
    {
      claim: "two stages find more than one of the same visual FLOPs",
      found: shares.told("two stages", "one stage"),
      holds: shares.of("two stages") > shares.of("one stage"),
    },
    {
      claim: "shuffled cells lose `where` and not `whole`",
      found: `loses ${percent(shares.loss("dense, shuffled", "where"))} and ${percent(shares.loss("dense, shuffled", "whole"))}`,
      holds: shares.loss("dense, shuffled", "where") > 0.5 && shares.loss("dense, shuffled", "whole") < 0.1,
    },
    {
      claim: "FastV's errors after layer 1 are in the top rows",
      found: `right in the top third ${percent(top)}, in the bottom third ${percent(bottom)}`,
      holds: top < bottom,
    },
    {
      claim: `feather finds three times what FastV finds, at 60 % of the visual FLOPs saved or more (if the bias exceeds ${BIASED})`,
      found: `greatest bias ${most.toFixed(2)}; ${shares.told("feather 1, 3", "fastv 1")}`,
      holds: most > BIASED ? shares.of("feather 1, 3") >= Math.max(0.1, 3 * shares.of("fastv 1")) : undefined,
    },
  ]);
}

/** Shares of right answers in the top and the bottom third of the picture. */
function thirds(right: string): [number, number] {
  const rows = makeScenes(SIDE, PICTURES, SEED).map((scene, i) => questionOf(scene, "where", i).row!);
  const part = (is: (row: number) => boolean) => shareOf([...right].filter((_, i) => is(rows[i]!)).join(""));
  return [part((row) => row < SIDE / 3), part((row) => row >= (2 * SIDE) / 3)];
}

export function yopoGates({ answers, heads }: Results): string {
  const shares = new Shares(answers);
  const counts = heads.kept.map((row) => row.filter(Boolean).length);
  const half = ["heads dropped", "deep heads dropped"].map((end) => ordered(shares, end));
  const knees = (["where", "whole"] as const).map((kind) => kneeOf(shares, kind));
  return table([
    {
      claim: "layers differ by two heads or more",
      found: `kept by layer: ${counts.join(", ")}`,
      holds: Math.max(...counts) - Math.min(...counts) >= 2,
    },
    {
      claim: "two halves of the calibration agree on nine heads of ten",
      found: percent(heads.agreement),
      holds: heads.agreement >= 0.9,
    },
    {
      claim:
        "dropping the least active half costs less than the most active, by ten points of `where`; a random half lies between",
      ...half[0]!,
    },
    { claim: "the same if the first two layers keep all heads, as in the paper's masks", ...half[1]! },
    {
      claim: "quality is flat in the last third of the layers, and falls with fewer",
      found: shares.told("dense", "layers 5", "layers 4", "layers 2", "layers 1"),
      holds: shares.of("dense") - shares.of("layers 4") < 0.02 && shares.of("layers 1") < shares.of("layers 4"),
    },
    {
      claim: "finding needs more layers than what the whole shows, if at most two points may be lost",
      found: `where: ${knees[0]} layers; whole: ${knees[1]}`,
      holds: knees[0]! > knees[1]!,
    },
  ]);
}

/** Heads of three choices dropped: the claim about their order. */
function ordered(shares: Shares, end: string): Pick<Gate, "found" | "holds"> {
  const names = ["least active", "random", "most active"].map((which) => `${which} ${end}`);
  const [least, , most] = names.map((name) => shares.of(name));
  return {
    found: shares.told(...names),
    holds: least! - most! >= 0.1 && falls(names.map((name) => shares.of(name))),
  };
}

/** The fewest layers for visual tokens that lose at most two points; all six if fewer lose more. */
function kneeOf(shares: Shares, kind: Asked): number {
  const enough = [1, 2, 3, 4, 5].filter(
    (layers) => shares.of("dense", kind) - shares.of(`layers ${layers}`, kind) <= 0.02,
  );
  return enough[0] ?? 6;
}

const table = (gates: readonly Gate[]): string =>
  markdownTable(
    ["claim", "found", "holds"],
    gates.map(({ claim, found, holds }) => [claim, found, holds === undefined ? "not checked" : holds ? "yes" : "no"]),
  );
