/** Writes the tables of vlm-tiny under savings, from its committed runs of the lab: `npx tsx tools/vlm-tiny/tables.ts`. */
import { committedRuns } from "../committed-runs.ts";
import { detailSection } from "../lab-results.ts";
import { writeSection } from "../section.ts";

export const PAGE = "docs/results/feather/README.md";
export const SECTION = "vlm-tiny/tables";

/** A table for each run. */
export const vlmSection = (): string => detailSection(committedRuns("docs/results/feather"));

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, vlmSection());
