import { Connection, type Pace } from "./connection.ts";
import { startOf, TransientError, totalOf } from "./network.ts";
import type { Part } from "./part.ts";
import { type Persistence, persist } from "./persist.ts";

/** A range of a file, downloaded while earlier ranges are still being written; its bytes wait in memory. */
class Lane {
  private readonly waiting: Uint8Array[] = [];
  private wake: () => void = () => {};
  private failure: { error: unknown } | undefined;
  private at: number;
  /** The number of bytes waiting to be read. */
  held = 0;

  /** Starts fetching `[start, end)`; `first` is a connection that already delivers the beginning of this range. */
  constructor(
    start: number,
    private readonly end: number,
    private readonly job: Omit<Persistence, "bytes">,
    first?: Connection,
  ) {
    this.at = start;
    void this.fill(first);
  }

  /** Yields bytes in order, as they arrive. */
  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      for (let chunk = this.waiting.shift(); chunk !== undefined; chunk = this.waiting.shift()) {
        this.held -= chunk.length;
        yield chunk;
      }
      if (this.failure) throw this.failure.error;
      if (this.at >= this.end) return;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  private async fill(first?: Connection): Promise<void> {
    let connection = first;
    try {
      await persist({ ...this.job, bytes: () => this.at }, async () => {
        const current = connection ?? (await openRange(this.job, this.job.pace, this.at, this.end));
        connection = undefined;
        await this.take(current);
      });
    } catch (error) {
      this.failure = { error };
    }
    this.wake();
  }

  private async take(connection: Connection): Promise<void> {
    for await (const chunk of connection.chunks()) {
      const wanted = chunk.subarray(0, this.end - this.at);
      this.waiting.push(wanted);
      this.at += wanted.length;
      this.held += wanted.length;
      this.wake();
      if (this.at >= this.end) return;
    }
    if (this.at < this.end) throw new TransientError("the connection closed too early");
  }
}

/** Opens a connection that delivers exactly the bytes from `from` on. */
async function openRange({ remote, signal }: Omit<Persistence, "bytes">, pace: Pace, from: number, to: number) {
  const connection = await Connection.open(remote, pace, signal, from, to);
  if (connection.response.status === 206 && startOf(connection.response) === from) return connection;
  connection.close();
  throw new TransientError("the server sent a different range than requested");
}

/** The number of bytes per connection; bytes not yet written wait in memory. */
export const laneBytes = 16 * 2 ** 20;
const lanes = 4;

/** Downloads the missing ranges, several at a time, and writes them in order. */
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
      // Bytes that wait in memory count as well, except in the lane being written, so the sum alone could fall.
      shown = Math.max(shown, part.bytes + open.reduce((sum, { held }) => sum + held, 0));
      onProgress?.(shown, total);
    }
  }
}
