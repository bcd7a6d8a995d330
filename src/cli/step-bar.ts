import type { SingleBar } from "cli-progress";

/** Shows steps as a bar on stderr, if that is a terminal. */
export function showSteps(stream = process.stderr): Disposable & { onStep(done: number, all: number): void } {
  let bar: Promise<SingleBar> | undefined;
  return {
    onStep(done, all) {
      if (!stream.isTTY) return;
      bar ??= started(stream, all);
      void bar.then((it) => it.update(done));
    },
    [Symbol.dispose]: () => void bar?.then((it) => it.stop()),
  };
}

async function started(stream: NodeJS.WriteStream, all: number): Promise<SingleBar> {
  const { SingleBar } = await import("cli-progress");
  const format = "{bar} {value}/{total} steps, {eta} s left";
  const bar = new SingleBar({ format, stream, hideCursor: true, barsize: 12, clearOnComplete: true });
  bar.start(all, 0);
  return bar;
}
