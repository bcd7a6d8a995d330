import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonOf, serveModels, type Testing } from "./serve.testing.ts";

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly minProperties?: number;
}
interface Operation {
  readonly description?: string;
  readonly parameters: readonly { name: string; description?: string; schema: Schema }[];
  readonly responses: { 200: { content: Readonly<Record<string, { schema: Schema }>> } };
  readonly requestBody?: { content: { "application/json": { schema: Schema } } };
}

let server: Testing;
let operations: [name: string, operation: Operation][];
beforeAll(async () => {
  server = await serveModels([]);
  const { paths } = await jsonOf(fetch(`${server.url}/openapi.json`));
  operations = Object.entries<Record<string, Operation>>(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, it]): (typeof operations)[number] => [`${method} ${path}`, it]),
  );
});
afterAll(() => server.stop(0));

/** Every property of a schema and of inner schemas, by its path. */
function inside(schema: Schema, place: string): [place: string, description: string | undefined][] {
  const { properties = {}, items, anyOf = [], oneOf = [] } = schema;
  return [
    ...Object.entries(properties).flatMap(
      ([name, inner]): ReturnType<typeof inside> => [
        [`${place}.${name}`, inner.description],
        ...inside(inner, `${place}.${name}`),
      ],
    ),
    ...[...(items ? [items] : []), ...anyOf, ...oneOf].flatMap((inner) => inside(inner, place)),
  ];
}

describe("openapi.json says what each field of a request means", () => {
  const entries = () =>
    operations.flatMap(([name, { requestBody, parameters }]) => [
      ...(requestBody ? inside(requestBody.content["application/json"].schema, name) : []),
      ...parameters.map((it) => [`${name}?${it.name}`, it.description ?? it.schema.description] as const),
    ]);

  test("every one, also of inner objects", () => {
    const all = entries();
    expect(all.length).toBeGreaterThan(100);
    expect(all.filter(([, description = ""]) => description.length < 3)).toEqual([]);
  });

  test("a budget has at least one field, as when it is checked", () => {
    const budgets = operations.flatMap(([, { requestBody }]) => {
      const schema = requestBody?.content["application/json"].schema.properties?.["budget"];
      return schema ? [schema.anyOf?.map(({ minProperties }) => minProperties)] : [];
    });
    expect(budgets.length).toBeGreaterThan(1);
    for (const each of budgets) expect(each).toContain(1);
  });

  test("with the defaults that hold", () => {
    const of = Object.fromEntries(entries());
    expect(of["post /v1/chat/completions.max_tokens"]).toContain("default 2048 for a chat");
    expect(of["post /v1/chat/completions.messages.content.image_url.url"]).toContain("URLs are not fetched");
    expect(of["get /v1/models/{id}?id"]).toContain("smollm2@fast");
  });
});

test("every address is among the paths, including aliases", () => {
  const of = Object.fromEntries(operations);
  const [named, { description, ...same }] = [of["post /v1/rerank"]!, of["post /rerank"]!];
  expect(description).toBe("The same as /v1/rerank.");
  expect(same).toEqual(named);
});

test("a stream's events are described by their fields, their data by its JSON", () => {
  const { responses } = Object.fromEntries(operations)["post /v1/completions"]!;
  const { data } = responses["200"].content["text/event-stream"]!.schema.properties!;
  expect(data!.anyOf).toMatchObject([
    { const: "[DONE]" },
    { type: "string", contentSchema: { required: expect.arrayContaining(["choices"]) } },
  ]);
});
