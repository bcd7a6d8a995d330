import { count } from "../lab/report/format.ts";
import type { Result } from "../lab/results.ts";
import type { OnResult, OpenCell } from "../lab/run/cell.ts";
import type { Watcher } from "../lab/run/grid.ts";
import { metricsOf } from "../lab/run/judge.ts";
import { showDownload } from "./progress.ts";
import { type Display, displayOn } from "./progress-display.ts";

/** Minimum milliseconds between two updates of a recipe. */
const EVERY = 500;

/** Shows a run's progress, with the quality so far. */
export function watch(stream = process.stderr): Watcher & Disposable {
  const display = displayOn(stream);
  return {
    begin(cell) {
      const { task, source, items, tooLong, cutTexts } = cell;
      if (cutTexts > 0)
        display.say(`${task.name}: ${count(cutTexts, "text")} longer than ${source.name} reads, cut at the end`);
      if (tooLong === 0) return;
      const total = items.length + tooLong;
      display.say(
        `${task.name}: ${tooLong} of ${total} items are longer than the context of ${source.name} and are left out; --truncate left|middle cuts them`,
      );
    },
    fetching: ({ task }) => showDownload(task.name),
    notice: (sentence) => display.say(sentence),
    recipe: (cell, recipe, held) => follow(cell, recipe, held, display),
    [Symbol.dispose]: () => display[Symbol.dispose](),
  };
}

/** The quality includes earlier results; the remaining time is estimated only from new results. */
function follow(cell: OpenCell, recipe: string, held: readonly Result[], display: Display): OnResult {
  const metric = metricsOf(cell.task)[0]!;
  // The recipe comes first, since a narrow terminal shows only the beginning.
  const title = `${recipe}, ${cell.task.name}, ${cell.source.name}`;
  const started = performance.now();
  const parts = held.map((result) => result.parts[metric.name]!);
  let shown = Number.NEGATIVE_INFINITY;
  return (result, done, of) => {
    parts.push(result.parts[metric.name]!);
    const now = performance.now();
    if (now - shown < EVERY && done < of) return;
    shown = now;
    const seconds = ((now - started) / (parts.length - held.length) / 1000) * (of - done);
    display.show({ title, done, of, value: metric.quality(parts), seconds });
  };
}
