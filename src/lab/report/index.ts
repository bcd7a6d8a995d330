import path from "node:path";
import { writeWhole } from "../../util/write-whole.ts";
import { page, type Report } from "./page/page.ts";
import { frontierSvg } from "./plot/frontier-svg.ts";

export type { Report } from "./page/page.ts";

/**
 * Writes `report.html` and `frontier.svg` into a run's folder, each atomically.
 * @throws UserError if the disk is full
 */
export async function writeReport(folder: string, report: Report): Promise<void> {
  await writeWhole(path.join(folder, "frontier.svg"), frontierSvg(report.summary));
  await writeWhole(path.join(folder, "report.html"), page(report));
}
