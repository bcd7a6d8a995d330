import { expect, test } from "vitest";
import { Graph, plus } from "../graph/index.ts";
import { Buffer } from "./buffer.ts";
import { runChain } from "./chain.ts";
import { Program } from "./program.ts";

/** x + x. */
function doubled(): Graph {
  const g = new Graph();
  const x = g.input("x", "f32", [1]);
  g.output("y", plus(x, x));
  return g;
}

test.each([true, false])(
  "each program reads what the one before it wrote, and the event loop turns (brief: %s)",
  async (brief) => {
    using program = await Program.compile(doubled());
    const buffers = Array.from({ length: 5 }, () => new Buffer("f32", 1));
    new Float32Array(buffers[0]!.memory)[0] = 3;
    const chain = buffers.slice(1).map((to, i) => program.bind({ x: buffers[i]!.view([1]), y: to.view([1]) }));
    let turns = 0;
    let done = false;
    const count = () => {
      turns++;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    await runChain(chain, brief);
    done = true;
    expect(new Float32Array(buffers[4]!.memory)[0]).toBe(48);
    // The event loop turns at least once between two programs.
    expect(turns).toBeGreaterThanOrEqual(chain.length - 1);
    for (const b of buffers) b[Symbol.dispose]();
  },
);
