import type { PullOptions } from "../weights/sources/pull.ts";

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** Shows a download on stderr: a bar on a terminal, else a line every tenth. */
export function showDownload(name: string): Required<Pick<PullOptions, "onProgress" | "onNotice">> & Disposable {
  return process.stderr.isTTY ? bar(name) : lines(name);
}

function lines(name: string) {
  let tenth = -1;
  return {
    onProgress(done: number, total: number) {
      const now = total === 0 ? 0 : Math.floor((done / total) * 10);
      if (now === tenth) return;
      tenth = now;
      process.stderr.write(`${name}: ${megabytes(done)} of ${total === 0 ? "?" : megabytes(total)} MB\n`);
    },
    onNotice,
    [Symbol.dispose]() {},
  };
}

function bar(name: string) {
  let shown: Promise<import("cli-progress").SingleBar> | undefined;
  let [done, total] = [0, 0];
  return {
    onProgress(nowDone: number, nowTotal: number) {
      [done, total] = [nowDone, nowTotal];
      // Most runs download nothing, and do not pay for the bar.
      shown ??= import("cli-progress").then(({ SingleBar }) => {
        const format = `${name} {bar} {percentage} % of {size} MB, {eta_formatted} left`;
        const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, hideCursor: true });
        bar.start(total, done, { size: megabytes(total) });
        return bar;
      });
      void shown.then((bar) => bar.update(done));
    },
    onNotice,
    [Symbol.dispose]() {
      void shown?.then((bar) => bar.stop());
    },
  };
}

function onNotice(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}
