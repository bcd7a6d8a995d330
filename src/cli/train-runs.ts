import type { SweepEvents } from "../train/sweep/sweep-run.ts";
import { showTraining } from "./train-progress.ts";

/** Shows a progress bar for each of several runs. */
export function showRuns(): Required<SweepEvents> & Disposable {
  let shown = showTraining();
  return {
    onRun({ name, index, of }) {
      shown[Symbol.dispose]();
      shown = showTraining();
      shown.onNotice(`run ${index} of ${of}: ${name}`);
    },
    onBegin: (begun) => shown.onBegin(begun),
    onStep: (report) => shown.onStep(report),
    onNotice: (sentence) => shown.onNotice(sentence),
    [Symbol.dispose]: () => shown[Symbol.dispose](),
  };
}
