import { PreparedStore } from "./store.ts";

/**
 * Prepares fixed weights in the folder named by its first argument, and prints its progress, for tests that kill it or
 * run it twice at once.
 */
const [folder, mode] = process.argv.slice(2) as [string, "commit" | "hang"];
const store = new PreparedStore(folder, "a model");
for (let i = 0; i < 20 && !store.floats(`w${i}`); i++)
  store.addFloats(`w${i}`, { shape: [1000], data: store.append(new Float32Array(1000).fill(i)) });
process.stdout.write("appended\n");
if (mode === "hang") setInterval(() => undefined, 1000);
else store.commit();
