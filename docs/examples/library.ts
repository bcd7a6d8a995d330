import { load } from "modicum";

const model = await load("smollm2");
for await (const { text, receipt } of model.generate("Name three primary colours.", { maxTokens: 24 })) {
  process.stdout.write(text);
  if (receipt) console.log("\n", receipt.flops);
}
model.dispose();
