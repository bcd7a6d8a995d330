import type { Model } from "../src/index.ts";
import { load } from "../src/index.ts";
import type { Side } from "./harness.ts";

/** A side that is our own engine in this process, for benches of ours against ours. `measure` gives the bench's unit. */
export function ownSide(
  name: string,
  path: string,
  save: readonly string[],
  measure: (model: Model) => Promise<number>,
): Side {
  let model: Model | undefined;
  return {
    name,
    async start() {
      model = await load(path, { save });
    },
    async run() {
      if (!model) throw new Error(`${name} has not been started`);
      return measure(model);
    },
    async stop() {
      model?.dispose();
    },
  };
}
