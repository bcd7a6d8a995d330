import { writeSection } from "../../../tools/section.ts";
import { committedRuns } from "../../common/committed-runs.ts";
import { detailSection } from "../../common/lab-page.ts";

export const PAGE = "research/exits/cuts/README.md";
export const SECTION = "cut-results";

/** A section on the committed runs of savings at cuts (`exit`, `prune`): every recipe of each, with its command. */
export const cutSection = (): string => detailSection(committedRuns("research/exits/cuts"));

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, cutSection());
