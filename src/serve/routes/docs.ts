import { docsPage } from "../docs-page.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { openApi } from "../openapi.ts";

/** `GET /`, `/openapi.json` and `/docs`: descriptions of the other endpoints. */
export function docs(endpoints: readonly Endpoint[], version: string): Endpoint[] {
  const described = openApi(endpoints, version);
  const page = docsPage(endpoints, version);
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
  };
  return [
    endpoint({
      method: "get",
      paths: ["/"],
      summary: "Show where the documentation is",
      handle: async () => new Response(`Modicum ${version}: see /docs, or /openapi.json for programs\n`),
    }),
    endpoint({
      method: "get",
      paths: ["/openapi.json"],
      summary: "This server's description as OpenAPI 3.1",
      handle: async () => described,
    }),
    endpoint({
      method: "get",
      paths: ["/docs"],
      summary: "This description as a web page",
      handle: async () => new Response(page, { headers }),
    }),
  ];
}
