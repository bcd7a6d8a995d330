import { Html, html } from "../util/html.ts";
import { fieldsTable } from "./docs-fields.ts";
import type { Endpoint } from "./http/endpoint.ts";

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif;--line:light-dark(#d4d7dd,#3b3f47);
--soft:light-dark(#f3f4f6,#1f2228);--quiet:light-dark(#545b66,#a6adb8);--link:light-dark(#0b57d0,#8ab4f8);--mark:light-dark(#a3320b,#ffab7a)}
body{max-width:64rem;margin:2rem auto;padding:0 1rem;background:light-dark(#fff,#15171b);color:light-dark(#1b1e24,#e4e7ec)}
a{color:var(--link)}code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}h2{font-size:1.2rem;margin:0}h2 code{font-weight:600}
nav ul{list-style:none;padding:0}nav li{display:grid;grid-template-columns:16rem 1fr;gap:0 1rem;padding:.2rem 0}nav span,summary,th{color:var(--quiet)}
section{border-top:1px solid var(--line);padding:1.2rem 0}table{border-collapse:collapse;width:100%;table-layout:fixed;font-size:.94rem}
th{text-align:left;font-weight:400;padding:0}th:nth-child(1){width:32%}th:nth-child(2){width:22%}details th:nth-child(1){width:46%}
td{border-top:1px solid var(--line);padding:.3rem .8rem .3rem 0;vertical-align:top;overflow-wrap:anywhere}
strong{color:var(--mark);font-size:.8rem;font-weight:600}pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.7rem;
white-space:pre-wrap;user-select:all}summary{cursor:pointer;padding:.5rem 0}
@media(max-width:40rem){nav li,nav span{display:block}thead{display:none}tr,td{display:block}tr{border-top:1px solid var(--line);padding:.4rem 0}
td{border:0;padding:0}td:nth-child(2){color:var(--quiet)}}`;

/** A page that documents each endpoint's input and output. It loads no other resource and runs no script. */
export function docsPage(endpoints: readonly Endpoint[], version: string): string {
  const page = html`<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>Modicum</title><style>${new Html(STYLE)}</style>
<h1>Modicum ${version}</h1><p>Every answer has a <code>receipt</code>; errors have OpenAI's format.
For programs: <a href="/openapi.json">openapi.json</a>. Examples use the default port; a click selects a whole example.
If the server has API keys, add <code>-H 'authorization: Bearer KEY'</code>.</p>
<nav><ul>${endpoints.map(entry)}</ul></nav>${endpoints.map(section)}</html>`;
  return page.text;
}

const nameOf = ({ method, paths }: Endpoint): string => `${method.toUpperCase()} ${paths[0]!}`;

/** `post-v1-chat-completions`. */
const anchorOf = (endpoint: Endpoint): string => nameOf(endpoint).toLowerCase().match(/\w+/g)!.join("-");

const entry = (it: Endpoint): Html =>
  html`<li><a href="#${anchorOf(it)}"><code>${nameOf(it)}</code></a><span>${it.summary}</span></li>`;

function section(it: Endpoint): Html {
  const { scope, event, input, output, example } = it;
  return html`<section id="${anchorOf(it)}"><h2><code>${nameOf(it)}</code></h2><p>${it.summary}. ${alsoAt(it)}
${scope ? `Requires an API key with the scope ${scope}, if the server has keys.` : "Requires no API key."}${event ? html` Streams with <code>"stream": true</code>.` : ""}</p>
${example === undefined ? "" : curl(it)}${input ? fieldsTable(input, "input") : ""}${output ? folded(fieldsTable(output, "output")) : ""}</section>`;
}

const alsoAt = ({ paths }: Endpoint): string => (paths.length > 1 ? `Also at ${paths.slice(1).join(", ")}.` : "");

const folded = (table: Html): Html => html`<details><summary>Response</summary>${table}</details>`;

/** A curl command for a POSIX shell. */
function curl({ paths, example }: Endpoint): Html {
  const body = JSON.stringify(example).replaceAll("'", "'\\''");
  return html`<pre><code>curl http://127.0.0.1:8080${paths[0]!} -H 'content-type: application/json' \\
  -d '${body}'</code></pre>`;
}
