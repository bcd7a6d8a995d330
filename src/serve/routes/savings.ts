import { z } from "zod";
import { catalogue } from "../../library/catalogue.ts";
import { seams } from "../../savings/seams.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";

const listed = z.object({
  kind: z.enum(["saving", "pipeline", "method"]).describe("inside a model, around models, or in training"),
  name: z.string(),
  group: z.string(),
  summary: z.string(),
  options: z.record(z.string(), z.unknown()).describe("JSON schema"),
  needs: z.array(z.enum(seams)),
});

/** `GET /v1/savings`. */
export const savings = (): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/savings"],
    summary: "List savings, pipelines and methods with their options",
    scope: "infer",
    output: z.object({ object: z.literal("list"), data: z.array(listed) }),
    handle: async () => ({ object: "list", data: catalogue() }),
  });
