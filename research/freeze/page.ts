/** The table of research/freeze/results: `npx tsx research/freeze/page.ts` writes it. */
import { mean } from "../../src/util/mean.ts";
import { markdownTable, writeSection } from "../../tools/section.ts";
import { overSeeds } from "../common/over-seeds.ts";
import { type FreezeRun, freezeRuns } from "./done.ts";

export const PAGE = "research/freeze/README.md";
export const SECTION = "freeze-results";

export function freezeTable(): string {
  const runs = freezeRuns();
  const full = (seed: number) => runs.find((run) => run.arm === "full" && run.seed === seed)!;
  const head = [
    ...["trained", "lowest layer", "squared gradient", "held-out nats", "beside full", "training nats"],
    ...["CPU a step, beside full", "memory, MB", "FLOPs a step, beside full", "CPU before the first step, s"],
  ];
  const rows = [...new Set(runs.map(({ arm }) => arm))].map((arm) => {
    const group = runs.filter((run) => run.arm === arm);
    const over = (of: (run: FreezeRun) => number, show: (value: number) => string) => overSeeds(group.map(of), show);
    const { trained, tensors } = group[0]!;
    return [
      `${arm === "full" ? "all" : `\`${arm}\``}, ${trained} of ${tensors}`,
      group.map(({ lowest }) => lowest).join(", "),
      `${(100 * mean(group.map(({ retained }) => retained))).toFixed(0)} %`,
      over(({ heldOut }) => heldOut, nats),
      arm === "full" ? "" : over((run) => run.heldOut - full(run.seed).heldOut, nats),
      over(({ loss }) => loss, nats),
      over((run) => run.cpuMs / full(run.seed).cpuMs, nats),
      over(({ peakMb }) => peakMb, whole),
      mean(group.map((run) => (run.flops - run.overhead) / full(run.seed).flops)).toFixed(3),
      over(
        ({ startMs }) => startMs / 1000,
        (value) => value.toFixed(1),
      ),
    ];
  });
  return markdownTable(head, rows);
}

const nats = (value: number): string => value.toFixed(3).replace("-", "−");
const whole = (value: number): string => value.toFixed(0).replace("-", "−");

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, freezeTable());
