/** Writes the bias that rotary embeddings make without training: `npx tsx research/visual-tokens/attributes/planted.ts`. */
import { inOrder, PlantedBias, reversedRows } from "../../../src/savings/tokens/feather/planted-bias.testing.ts";
import { markdownTable, writeSection } from "../../../tools/section.ts";

using planted = await PlantedBias.create();
const rows: string[][] = [];
for (const strength of [0, 0.3, 0.5, 1]) {
  const [down, up] = [await planted.bias(strength, inOrder), await planted.bias(strength, reversedRows)];
  rows.push([strength.toFixed(1), ...[down.rotary, up.rotary, down.none, up.none].map((row) => row.toFixed(3))]);
}
const head = ["strength", "rotary", "rotary, rows reversed", "without", "without, rows reversed"];
writeSection("research/visual-tokens/feather/README.md", "attributes/planted", markdownTable(head, rows));
