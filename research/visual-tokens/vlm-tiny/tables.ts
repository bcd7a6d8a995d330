/** Writes the tables of vlm-tiny under savings, from its committed runs of the lab: `npx tsx research/visual-tokens/vlm-tiny/tables.ts`. */

import { writeSection } from "../../../tools/section.ts";
import { committedRuns } from "../../common/committed-runs.ts";
import { detailSection } from "../../common/lab-page.ts";

export const PAGE = "research/visual-tokens/feather/README.md";
export const SECTION = "vlm-tiny/tables";

/** A table for each run. */
export const vlmSection = (): string => detailSection(committedRuns("research/visual-tokens/feather"));

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, vlmSection());
