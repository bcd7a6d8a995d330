/** Labels a bank's questions by two classifiers: `npx tsx docs/examples/classify-pair.ts "a question" …`. */
import { openClassifyPair } from "modicum";

using pair = await openClassifyPair("models/minilm-2+minilm/classify-banking77", { by: "share", value: 0.4 });
const { results, receipt } = await pair.classify(process.argv.slice(2));
for (const { label, route } of results) console.log(JSON.stringify({ label, route }));
console.log(JSON.stringify(receipt.work));
