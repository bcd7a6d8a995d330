/** The tables of research/freeze/results: `npx tsx research/freeze/page.ts` writes them. */
import { mean } from "../../src/util/mean.ts";
import { markdownTable, writeSection } from "../../tools/section.ts";
import { overSeeds } from "../common/over-seeds.ts";
import { cpuMsOf, type FreezeRun, freezeRuns, STEPS, stepsInTimeOf } from "./done.ts";

export const PAGE = "research/freeze/README.md";
export const SECTION = "freeze-results";
export const TIME_SECTION = "freeze-time";

export function freezeTable(): string {
  const runs = freezeRuns().filter(({ steps }) => steps === STEPS);
  const full = (seed: number) => runs.find((run) => run.arm === "full" && run.seed === seed)!;
  const head = [
    ...["trained", "lowest layer", "squared gradient", "held-out nats", "minus full", "training nats"],
    ...["CPU a step / full", "memory, MB", "FLOPs a step / full", "CPU before the first step, s"],
  ];
  const rows = [...new Set(runs.map(({ arm }) => arm))].map((arm) => {
    const group = runs.filter((run) => run.arm === arm);
    const over = (of: (run: FreezeRun) => number, show: (value: number) => string) => overSeeds(group.map(of), show);
    const { trained, tensors } = group[0]!;
    return [
      `${named(arm)}, ${trained} of ${tensors}`,
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

/** Each training of `auto`, then all LoRA layers for about its CPU time, and `above` for as many steps. */
export function timeTable(): string {
  const runs = freezeRuns();
  const head = ["trained", "steps", "CPU, s", "without startup, s", "held-out nats", "minus `auto`"];
  const rows = [...new Set(runs.filter(({ arm }) => arm === "auto").map(({ steps }) => steps))].flatMap((length) => {
    const of = (arm: FreezeRun["arm"], steps: number) =>
      runs.filter((run) => run.arm === arm && run.steps === steps).toSorted((a, b) => a.seed - b.seed);
    const auto = of("auto", length);
    const all = [true, false].map((reading) => of("full", stepsInTimeOf(length, reading)));
    return [auto, ...all, of("above", length)].map((group) => [
      ...[named(group[0]!.arm), `${group[0]!.steps}`],
      ...[cpuMsOf, (run: FreezeRun) => cpuMsOf(run) - run.startMs].map((ms) => seconds(mean(group.map(ms)))),
      overSeeds(
        group.map(({ heldOut }) => heldOut),
        nats,
      ),
      group === auto
        ? ""
        : overSeeds(
            group.map(({ heldOut }, i) => heldOut - auto[i]!.heldOut),
            nats,
          ),
    ]);
  });
  return markdownTable(head, rows);
}

const named = (arm: FreezeRun["arm"]): string => (arm === "full" ? "all" : `\`${arm}\``);
const seconds = (ms: number): string => (ms / 1000).toFixed(1);
const nats = (value: number): string => value.toFixed(3).replace("-", "−");
const whole = (value: number): string => value.toFixed(0).replace("-", "−");

if (process.argv[1] === import.meta.filename) {
  writeSection(PAGE, SECTION, freezeTable());
  writeSection(PAGE, TIME_SECTION, timeTable());
}
