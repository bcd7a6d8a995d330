import os from "node:os";
import { Worker } from "node:worker_threads";

/** A worker that keeps reading two equal buffers with memcmp, and reports the bytes read per second. */
const reader = `
const { parentPort, workerData: bytes } = require("node:worker_threads");
const [a, b] = [Buffer.alloc(bytes / 2, 1), Buffer.alloc(bytes / 2, 1)];
a.equals(b);
let passes = 0;
const started = performance.now();
do { a.equals(b); passes++; } while (performance.now() - started < 500);
parentPort.postMessage((passes * bytes * 1000) / (performance.now() - started));
`;

/** The bytes per second that all cores read from a working set of `bytes`, which, like weights, may fit a cache. */
export async function bandwidth(bytes: number): Promise<number> {
  const cores = os.availableParallelism();
  const share = Math.floor(bytes / cores / 2) * 2;
  const rates = await Promise.all(Array.from({ length: cores }, () => readRate(share)));
  return rates.reduce((sum, rate) => sum + rate, 0);
}

function readRate(bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(reader, { eval: true, workerData: bytes });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}
