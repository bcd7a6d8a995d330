/** Asks a server what schemathesis makes up: `npx tsx tools/fuzz.ts [examples an endpoint] [seed]`. */
import { canFuzz, fuzz } from "../src/serve/fuzz.testing.ts";

if (!canFuzz) throw new Error("there is no .ci/venv with schemathesis; .ci/run makes it");
const [examples = 200, seed = 1] = process.argv.slice(2).map(Number);
const { status, report, failures, billed } = await fuzz(examples, seed);
console.log(report, ...failures);
console.log(`${billed} requests ran a model, ${failures.length} failed by a fault of the program`);
process.exitCode = status;
