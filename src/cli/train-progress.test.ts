import { expect, test } from "vitest";
import { showTraining } from "./train-progress.ts";

test("a resumed run's tokens per second count only this process", () => {
  let shown = "";
  const stream = { isTTY: false, write: (text: string) => (shown += text) } as unknown as typeof process.stderr;
  using progress = showTraining(stream);
  progress.onBegin({ step: 60, tokens: 60 * 512 });
  const report = { steps: 100, loss: 2, rate: 1e-3, norm: 1, labelled: 512, samples: 0 };
  progress.onStep({ ...report, step: 61, tokens: 61 * 512, ms: 500, validation: 2 });
  progress.onStep({ ...report, step: 62, tokens: 62 * 512, ms: 250, validation: 2 });
  expect(shown).toMatch(/^step 61: .*, 1024 tokens\/s\n.*\nstep 62: .*, 2048 tokens\/s\n$/);
});
