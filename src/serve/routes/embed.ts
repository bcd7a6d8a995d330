import { randomUUID } from "node:crypto";
import { answerOf } from "../fleet/proxy.ts";
import { embedded, embedOutput, type Version, vectorsIn } from "../generation/embed/output.ts";
import { embedInput, textsOf } from "../generation/embed/request.ts";
import { usageOf } from "../generation/usage.ts";
import { accepted, type Endpoint, endpoint } from "../http/endpoint.ts";
import { renamed } from "../http/renamed.ts";
import type { ServerContext } from "../server-context.ts";
import { embeddings } from "./embeddings.ts";

/** `POST /v1/embed` and `/v2/embed` of Cohere's API, on top of the embeddings endpoint. */
export const embed = (context: ServerContext): Endpoint[] => {
  const underneath = embeddings(context);
  return [version(context, underneath, "1"), version(context, underneath, "2")];
};

const version = (context: ServerContext, underneath: Endpoint, version: Version): Endpoint =>
  endpoint({
    method: "post",
    paths: [`/v${version}/embed`],
    summary: `Create embeddings, as in Cohere's API version ${version}`,
    scope: "infer",
    translates: true,
    input: embedInput(context.limits),
    example: { model: "minilm", texts: ["An apple a day", "The train is late"], input_type: "search_document" },
    output: embedOutput,
    async handle(input, call) {
      const { model, savings, keep_alive, max_flops, output_dimension: dimensions } = input;
      const cut = input.truncate !== "NONE" && { truncate_prompt_tokens: -1 };
      const body = { model, savings, keep_alive, max_flops, dimensions, input: textsOf(input), ...cut };
      try {
        const request = { body, input: accepted(underneath.input!, body) };
        const { data, receipt } = embedded.parse(await answerOf(context, underneath, request, call));
        const vectors = data.map(({ embedding }) => embedding);
        const usage = usageOf(receipt);
        return {
          id: randomUUID(),
          ...vectorsIn(input, version, vectors),
          meta: { api_version: { version }, billed_units: { input_tokens: usage.prompt_tokens } },
          usage,
          receipt,
        };
      } catch (error) {
        throw renamed(error, (param) => param.replace(/^input\b/, "texts").replace(/^dimensions$/, "output_dimension"));
      }
    },
  });
