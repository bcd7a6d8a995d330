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

interface Way {
  readonly name: string;
  measure(model: Model): Promise<number>;
}

/** Two ways to run one model of this process, so that nothing but the way differs. */
export function ownWays(path: string, ways: { ours: Way; theirs: Way }): { ours: Side; theirs: Side } {
  let model: Promise<Model> | undefined;
  const side = ({ name, measure }: Way): Side => ({
    name,
    async start() {
      model ??= load(path);
      await model;
    },
    async run() {
      if (!model) throw new Error(`${name} has not been started`);
      return measure(await model);
    },
    async stop() {
      const loaded = model;
      model = undefined;
      (await loaded)?.dispose();
    },
  });
  return { ours: side(ways.ours), theirs: side(ways.theirs) };
}
