import { committedRuns } from "./committed-runs.ts";
import { detailSection } from "./lab-results.ts";
import { writeSection } from "./section.ts";

export const PAGE = "docs/results/cuts/README.md";
export const SECTION = "cut-results";

/** A section on the committed runs of savings at cuts (`exit`, `prune`): every recipe of each, with its command. */
export const cutSection = (): string => detailSection(committedRuns("docs/results/cuts"));

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, cutSection());
