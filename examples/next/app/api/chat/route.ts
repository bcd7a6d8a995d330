import { load } from "modicum";

/** One model for all requests, loaded by the first request. */
let model: ReturnType<typeof load> | undefined;

export async function POST(request: Request) {
  const question = await request.text();
  model ??= load("smollm2").catch((error: unknown) => {
    // The next request tries again.
    model = undefined;
    throw error;
  });
  const chunks = (await model).generate(question, { maxTokens: 128, signal: request.signal });
  return new Response(streamOf(chunks), { headers: { "content-type": "text/plain; charset=utf-8" } });
}

/** The texts of chunks as bytes. */
const streamOf = (chunks: AsyncGenerator<{ text: string }>) =>
  new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(new TextEncoder().encode(value.text));
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
