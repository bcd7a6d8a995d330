/** Sends schemathesis's requests to a server: `npx tsx tools/fuzz.ts [examples per endpoint] [seed] [key]`. */
import { canFuzz, fuzz } from "../src/serve/fuzz.testing.ts";

if (!canFuzz) throw new Error("there is no .ci/venv with schemathesis; .ci/run makes it");
const [examples = 200, seed = 1] = process.argv.slice(2, 4).map(Number);
const scopes = process.argv[4] === "key" ? (["infer"] as const) : undefined;
const { status, report, failures, billed, chats } = await fuzz(examples, seed, scopes);
console.log(report, ...failures);
console.log(`${billed} requests ran a model, ${chats} of them chats; ${failures.length} failed because of a bug`);
process.exitCode = status;
