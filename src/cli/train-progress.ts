import { existsSync } from "node:fs";
import { optionsFile } from "../train/session/folder.ts";
import type { StepReport } from "../train/session/run.ts";
import type { SessionEvents } from "../train/session/session.ts";
import { decimals } from "../util/printable.ts";
import { quoted } from "./lab-command.ts";
import { displayOn } from "./progress-display.ts";

/** A sentence on how to resume a run; a run that was stopped before its folder was created starts anew. */
export function howToGoOn(folder: string): string {
  if (!existsSync(optionsFile(folder))) return "the run has not begun; the same command begins it";
  return `\`modicum train --resume ${quoted(folder)}\` continues it`;
}

/** Minimum milliseconds between two updates of a step. */
const EVERY = 500;

/** An evaluation's held-out loss and tasks. */
const measuresOf = ({ validation, tasks = {} }: StepReport): string[] =>
  Object.entries({ ...(validation !== undefined && { "held-out": validation }), ...tasks }).map(
    ([name, value]) => `${name} ${decimals(value, 4)}`,
  );

/** Shows a run's loss and remaining time; each evaluation has its own line, with the speed since the previous one. */
export function showTraining(
  stream = process.stderr,
): { readonly [E in keyof SessionEvents]-?: NonNullable<SessionEvents[E]> } & Disposable {
  const display = displayOn(stream);
  const since = { tokens: 0, ms: 0 };
  let shown = Number.NEGATIVE_INFINITY;
  let [ms, count] = [0, 0];
  return {
    onNotice: (sentence) => display.say(sentence),
    // Steps that an earlier process ran do not count towards this process's speed.
    onBegin(done) {
      since.tokens = done.tokens;
    },
    onStep(report) {
      const { step, steps, loss, norm, tokens } = report;
      if (report.skipped) display.say(`step ${step}: skipped, the loss is ${loss}, its gradient's norm ${norm}`);
      ms += report.ms;
      count++;
      const measures = measuresOf(report);
      if (measures.length > 0) {
        const speed = Math.round((1000 * (tokens - since.tokens)) / (ms - since.ms));
        display.say(`step ${step}: training loss ${decimals(loss, 4)}, ${measures.join(", ")}, ${speed} tokens/s`);
        Object.assign(since, { tokens, ms });
      }
      const now = performance.now();
      if (now - shown < EVERY && step < steps) return;
      shown = now;
      display.show({
        title: "training loss",
        done: step,
        of: steps,
        value: loss,
        seconds: ((ms / count) * (steps - step)) / 1000,
      });
    },
    [Symbol.dispose]: () => display[Symbol.dispose](),
  };
}
