import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../tools/section.ts";
import { openingOf } from "./page-opening.ts";
import { userDocs } from "./user-docs.ts";

/** Pages that are still to be rewritten in this form. */
const OLD = new Set([
  "docs/adapters.md",
  "docs/auto.md",
  "docs/benchmarks.md",
  "docs/complete.md",
  "docs/completions.md",
  "docs/deploy.md",
  "docs/encoders.md",
  "docs/export.md",
  "docs/fleet.md",
  "docs/imagine.md",
  "docs/lab-lyapunov.md",
  "docs/lab-runs.md",
  "docs/lab-tasks.md",
  "docs/lab.md",
  "docs/library.md",
  "docs/methods/exits.md",
  "docs/methods/first.md",
  "docs/methods/guard.md",
  "docs/methods/masked-diffusion.md",
  "docs/methods/moe.md",
  "docs/methods/projector.md",
  "docs/methods/sft.md",
  "docs/methods/sparse.md",
  "docs/methods/ul2r.md",
  "docs/operate.md",
  "docs/papers.md",
  "docs/pipelines/first.md",
  "docs/pipelines/planner.md",
  "docs/pipelines/qzero.md",
  "docs/pipelines/regionspot.md",
  "docs/pipelines/vote.md",
  "docs/proxy.md",
  "docs/receipt.md",
  "docs/responses.md",
  "docs/retrieval.md",
  "docs/route-classify.md",
  "docs/sampling.md",
  "docs/savings/README.md",
  "docs/savings/dynamax.md",
  "docs/savings/exit.md",
  "docs/savings/feather.md",
  "docs/savings/flexprefill.md",
  "docs/savings/int8-prefill.md",
  "docs/savings/lookup.md",
  "docs/savings/minference.md",
  "docs/savings/prune.md",
  "docs/savings/sec.md",
  "docs/savings/tri-shape.md",
  "docs/savings/xattention.md",
  "docs/savings/yopo.md",
  "docs/sweeps.md",
  "docs/train-exits.md",
  "docs/train-export.md",
  "docs/train.md",
  "docs/tune.md",
  "docs/vision.md",
]);

test.each(userDocs().filter((page) => !OLD.has(page)))("%s opens with a command and its output", (page) => {
  expect(openingOf(readFileSync(join(root, page), "utf8")).output).not.toBe("");
});
