/** Runs the experiments of the page `docs/results/sft`: `npx tsx tools/methods/sft.ts toy WORK`. Done runs are skipped. */
import path from "node:path";
import { root } from "../section.ts";
import { runToy } from "./sft/toy.ts";

const [what, work] = process.argv.slice(2);
if (work === undefined) throw new Error("expected: sft.ts toy FOLDER");
switch (what) {
  case "toy":
    await runToy(work, path.join(root, "docs/results/sft/facts.json"));
    break;
  default:
    throw new Error(`there is no experiment "${what}"`);
}
