import type { MultiBar, SingleBar } from "cli-progress";
import { decimals } from "../util/printable.ts";

/** The progress of a recipe in the lab, or of a training run. */
interface ProgressState {
  readonly title: string;
  readonly done: number;
  readonly of: number;
  /** The quality or the loss so far, if any. */
  readonly value?: number;
  /** The remaining seconds. */
  readonly seconds: number;
}

/** Shows a run's progress. */
export interface Display extends Disposable {
  say(sentence: string): void;
  show(shown: ProgressState): void;
}

const soFar = (value: number | undefined, before = ""): string =>
  value === undefined ? "" : `${before}${decimals(value, 3)}`;

/** Shows bars on a terminal, otherwise a line for every tenth of the work. */
export const displayOn = (stream: NodeJS.WriteStream): Display => (stream.isTTY ? new Bars(stream) : new Lines(stream));

class Lines implements Display {
  readonly #tenths = new Map<string, number>();

  constructor(private readonly stream: NodeJS.WriteStream) {}

  say(sentence: string): void {
    this.stream.write(`${sentence}\n`);
  }

  show({ title, done, of, value, seconds }: ProgressState): void {
    const tenth = Math.floor((10 * done) / of);
    if (this.#tenths.get(title) === tenth) return;
    this.#tenths.set(title, tenth);
    this.say(`${title}: ${done} of ${of}${soFar(value, ", so far ")}, ${Math.ceil(seconds)} s left`);
  }

  [Symbol.dispose](): void {}
}

class Bars implements Display {
  readonly #bars = new Map<string, SingleBar>();
  #all: Promise<MultiBar> | undefined;

  constructor(private readonly stream: NodeJS.WriteStream) {}

  say(sentence: string): void {
    void this.#multi().then((all) => all.log(`${sentence}\n`));
  }

  show({ title, done, of, value, seconds }: ProgressState): void {
    void this.#multi().then((all) => {
      const figures = { title, sofar: soFar(value), left: Math.ceil(seconds) };
      const bar = this.#bars.get(title) ?? all.create(of, done, figures);
      this.#bars.set(title, bar);
      bar.update(done, figures);
    });
  }

  #multi(): Promise<MultiBar> {
    this.#all ??= import("cli-progress").then(({ MultiBar }) => {
      const format = "{bar} {value}/{total} {sofar} {left} s left  {title}";
      return new MultiBar({ format, stream: this.stream, hideCursor: true, barsize: 12 });
    });
    return this.#all;
  }

  [Symbol.dispose](): void {
    void this.#all?.then((all) => all.stop());
  }
}
