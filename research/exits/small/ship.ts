/** Puts the small model, in float16, into `packages/models/exits-small`: `npx tsx research/exits/small/ship.ts OUT`. */
import { join } from "node:path";
import { shipModel } from "../../common/ship-model.ts";

const [out = ""] = process.argv.slice(2);
await shipModel(join(out, "model"), "exits-small");
