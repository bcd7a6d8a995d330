import { z } from "zod";
import { savings as all } from "../../savings/registry.ts";
import { seams } from "../../savings/seams.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";

const saving = z.object({
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
    summary: "List savings with their options",
    scope: "infer",
    output: z.object({ object: z.literal("list"), data: z.array(saving) }),
    async handle() {
      const data = all.map(({ name, group, summary, options, needs }) => ({
        ...{ name, group, summary, needs },
        options: z.toJSONSchema(options, { io: "input" }),
      }));
      return { object: "list", data };
    },
  });
