import { Child } from "./child.ts";
import type { Bench, Side } from "./harness.ts";
import { PEER, US } from "./sides.ts";

const CONTEXT = 1024;

/** Times loading until a prompt is accepted, each time in a new process, with the files in the page cache. */
export const load: Bench = {
  name: "load",
  unit: "ms",
  moreIsBetter: false,
  lifetime: "fresh",
  sides: ({ model, path }) => ({
    ours: loadSide(US, "engine.ts", model),
    theirs: loadSide(PEER, "peer/llama.ts", path),
  }),
};

/** A side whose child imports everything before it loads, and reports milliseconds by its own clock. */
function loadSide(name: string, script: string, model: string): Side {
  let child: Child | undefined;
  return {
    name,
    async start() {
      child = await Child.start(script);
    },
    async run() {
      if (!child) throw new Error(`${name} has not been started`);
      return 1000 * (await child.call("load", { model, context: CONTEXT })).seconds;
    },
    async stop() {
      await child?.stop();
      child = undefined;
    },
  };
}
