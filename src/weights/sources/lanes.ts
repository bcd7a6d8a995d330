import type { Connection } from "./connection.ts";
import { Lane } from "./lane.ts";
import { totalOf } from "./network.ts";
import type { Part } from "./part.ts";
import type { Persistence } from "./persist.ts";

/** Bytes per connection; everything ahead of the written part waits in memory. */
export const laneBytes = 16 * 2 ** 20;
const lanes = 4;

/** The missing ranges, several at a time, written in order. */
export async function inLanes(
  work: Persistence,
  part: Part,
  first: Connection,
  onProgress?: (done: number, total: number) => void,
): Promise<void> {
  const total = totalOf(first.response);
  let next = part.bytes;
  const start = (connection?: Connection): Lane => {
    const [from, to] = [next, Math.min(next + laneBytes, total)];
    next = to;
    return new Lane(from, to, work, connection);
  };
  const open = [start(first)];
  let shown = 0;
  for (let lane = open.shift(); lane !== undefined; lane = open.shift()) {
    while (open.length < lanes - 1 && next < total) open.push(start());
    for await (const chunk of lane.read()) {
      await part.append(chunk);
      // Waiting bytes count, too; a lane that starts writing is counted again as it writes.
      shown = Math.max(shown, part.bytes + open.reduce((sum, { held }) => sum + held, 0));
      onProgress?.(shown, total);
    }
  }
}
