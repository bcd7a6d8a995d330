/** Reads an order from a text: npm start -- "Two boxes of tea for Ada in Lisbon" */
import { load } from "modicum";
import { z } from "zod";

const order = z.object({
  customer: z.string().max(40),
  city: z.string().max(40),
  item: z.string().max(40),
  count: z.int().min(1).max(999),
});

/** A small model imitates examples better than it follows instructions. */
const examples = `Text: Could you send five lamps to Omar in Cairo?
JSON: {"customer":"Omar","city":"Cairo","item":"lamps","count":5}
Text: Nadia from Oslo would like two chairs.
JSON: {"customer":"Nadia","city":"Oslo","item":"chairs","count":2}`;

/** The model writes only JSON of this schema, so parsing cannot fail unless the answer is cut. */
export async function extract(text: string): Promise<z.infer<typeof order>> {
  const model = await load("smollm2");
  try {
    const prompt = `${examples}\nText: ${text}\nJSON:`;
    const answer = await model.complete(prompt, { raw: true, format: z.toJSONSchema(order), maxTokens: 96 });
    return order.parse(JSON.parse(answer.text));
  } finally {
    model.dispose();
  }
}

if (process.argv[1] === import.meta.filename) {
  const [text] = process.argv.slice(2);
  if (text === undefined) throw new Error("expected a text");
  console.log(await extract(text));
}
