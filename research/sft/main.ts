/**
 * Runs the experiments of the page `research/sft/results`; done runs are skipped.
 * `npx tsx research/sft/main.ts facts WORK`; `npx tsx research/sft/main.ts banking77 WORK BANKING77`;
 * `npx tsx research/sft/main.ts banking77-screened WORK BANKING77`; `npx tsx research/sft/main.ts banking77-seeds WORK BANKING77`
 */
import path from "node:path";
import { root } from "../../tools/section.ts";
import { runReal, runScreened } from "./real.ts";
import { runSeeds } from "./seeds.ts";
import { runToy } from "./toy.ts";

const EXPERIMENTS = { banking77: runReal, "banking77-screened": runScreened, "banking77-seeds": runSeeds };

const [what, work, source] = process.argv.slice(2);
if (work === undefined) throw new Error("expected a folder for the runs");
const file = path.join(root, `research/sft/results/${what}.json`);
switch (what) {
  case "facts":
    await runToy(work, file);
    break;
  case "banking77":
  case "banking77-screened":
  case "banking77-seeds":
    if (source === undefined) throw new Error("expected the folder with train.csv, test.csv and categories.json");
    await EXPERIMENTS[what](source, work, file);
    break;
  default:
    throw new Error(`there is no experiment "${what}"`);
}
