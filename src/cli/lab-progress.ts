import type { MultiBar, SingleBar } from "cli-progress";
import { count } from "../lab/report/format.ts";
import type { Result } from "../lab/results.ts";
import type { OnResult, OpenCell } from "../lab/run/cell.ts";
import type { Watcher } from "../lab/run/grid.ts";
import { metricsOf } from "../lab/run/judge.ts";
import { showDownload } from "./progress.ts";

/** How far a recipe has come. */
interface Shown {
  readonly title: string;
  readonly done: number;
  readonly of: number;
  readonly quality: number;
  /** Seconds. */
  readonly left: number;
}

/** Least time between two showings of a recipe, in milliseconds. */
const EVERY = 500;

/** Shows a run on stderr, with the quality so far: bars on a terminal, else a line every tenth. */
export function watch(): Watcher & Disposable {
  const display = process.stderr.isTTY ? new Bars() : new Lines();
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
    recipe: (cell, recipe) => follow(cell, recipe, display),
    [Symbol.dispose]: () => display[Symbol.dispose](),
  };
}

interface Display extends Disposable {
  say(sentence: string): void;
  show(shown: Shown): void;
}

function follow(cell: OpenCell, recipe: string, display: Display): OnResult {
  const metric = metricsOf(cell.task)[0]!;
  const title = `${cell.task.name}, ${cell.source.name}, ${recipe}`;
  const started = performance.now();
  const parts: Result["parts"][string][] = [];
  let shown = Number.NEGATIVE_INFINITY;
  return (result, done, of) => {
    parts.push(result.parts[metric.name]!);
    const now = performance.now();
    if (now - shown < EVERY && done < of) return;
    shown = now;
    const left = ((now - started) / parts.length / 1000) * (of - done);
    display.show({ title, done, of, quality: metric.quality(parts), left });
  };
}

class Lines implements Display {
  readonly #tenths = new Map<string, number>();

  say(sentence: string): void {
    process.stderr.write(`${sentence}\n`);
  }

  show({ title, done, of, quality, left }: Shown): void {
    const tenth = Math.floor((10 * done) / of);
    if (this.#tenths.get(title) === tenth) return;
    this.#tenths.set(title, tenth);
    this.say(`${title}: ${done} of ${of}, so far ${quality.toFixed(3)}, ${Math.ceil(left)} s left`);
  }

  [Symbol.dispose](): void {}
}

class Bars implements Display {
  readonly #bars = new Map<string, SingleBar>();
  #all: Promise<MultiBar> | undefined;

  say(sentence: string): void {
    void this.#multi().then((all) => all.log(`${sentence}\n`));
  }

  show({ title, done, of, quality, left }: Shown): void {
    void this.#multi().then((all) => {
      const bar = this.#bars.get(title) ?? all.create(of, done);
      this.#bars.set(title, bar);
      bar.update(done, { title, quality: quality.toFixed(3), left: Math.ceil(left) });
    });
  }

  #multi(): Promise<MultiBar> {
    this.#all ??= import("cli-progress").then(({ MultiBar }) => {
      const format = "{bar} {value}/{total} {quality} {left} s left  {title}";
      return new MultiBar({ format, stream: process.stderr, hideCursor: true, barsize: 20 });
    });
    return this.#all;
  }

  [Symbol.dispose](): void {
    void this.#all?.then((all) => all.stop());
  }
}
