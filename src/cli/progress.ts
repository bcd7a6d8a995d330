import type { PullOptions } from "../weights/sources/plan.ts";
import { megabytes } from "./output.ts";

type PullDisplay = Required<Pick<PullOptions, "onProgress" | "onNotice">> & Disposable;

/** Shows a download on stderr: a bar on a terminal, otherwise a line for every tenth of it. */
export function showDownload(name: string): PullDisplay {
  return process.stderr.isTTY ? bar(name) : lines(name);
}

const onNotice = (sentence: string): void => void process.stderr.write(`${sentence}\n`);

function lines(name: string): PullDisplay {
  let shown = -1;
  return {
    onProgress(done, total) {
      const tenth = total === 0 ? 0 : Math.floor((done / total) * 10);
      if (tenth === shown) return;
      shown = tenth;
      onNotice(`${name}: ${megabytes(done)}${total === 0 ? "" : ` of ${megabytes(total)}`}`);
    },
    onNotice,
    [Symbol.dispose]() {},
  };
}

function bar(name: string): PullDisplay {
  let bar: Promise<import("cli-progress").SingleBar> | undefined;
  let latest = 0;
  return {
    onProgress(done, total) {
      latest = done;
      bar ??= start(name, total);
      void bar.then((b) => b.update(latest));
    },
    onNotice,
    [Symbol.dispose]: () => void bar?.then((b) => b.stop()),
  };
}

async function start(name: string, total: number): Promise<import("cli-progress").SingleBar> {
  // The bar's library is imported here, since most runs download nothing.
  const { SingleBar } = await import("cli-progress");
  const format = `${name} {bar} {percentage} % of ${megabytes(total)}, {eta_formatted} left`;
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, hideCursor: true });
  bar.start(total, 0);
  return bar;
}
