import { z } from "zod";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { leaseFor, type ServerContext } from "../server-context.ts";
import { asks, chatInput, PATH } from "./chat.ts";

/** `POST /v1/chat/completions/render`, as in vLLM: routers compare these tokens with the tokens that servers cached. */
export const render = (context: ServerContext): Endpoint =>
  endpoint({
    method: "post",
    paths: [`${PATH}/render`],
    summary: "Write a chat as tokens, without an answer",
    scope: "infer",
    input: chatInput(context.limits),
    example: { model: "smollm2", messages: [{ role: "user", content: "Name three primary colours." }] },
    output: z.object({ token_ids: z.array(z.int()) }),
    async handle(input, call) {
      const [ask] = await asks(input, context.limits);
      const choice = await context.catalogue.chooseWriter(input, context.catalogue.usualFor(call.key?.terms));
      using lease = await leaseFor(context, choice, call);
      const options = { ...ask!.options, adapter: choice.adapter, signal: call.signal };
      return { token_ids: [...(await lease.model.promptIds(ask!.prompt, options))] };
    },
  });
