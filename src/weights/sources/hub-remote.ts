import { UserError } from "../../util/errors.ts";
import type { HubMirror } from "./aliases.ts";
import type { Remote } from "./connection.ts";
import { endpoint, token } from "./hub-env.ts";

/** A request to the hub about a repository: with the user's token, and with hub-specific messages for refusals. */
export function hubRemote(mirror: HubMirror, url: string, what: string): Remote {
  const secret = token();
  const headers = secret === undefined ? {} : { authorization: `Bearer ${secret}` };
  return { url, what, headers, explain: (response) => explain(response, mirror, what, secret !== undefined) };
}

export const fileUrl = ({ repo }: HubMirror, commit: string, path: string): string =>
  `${endpoint()}/${repo}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;

/** Explains the statuses and headers that https://github.com/huggingface/huggingface_hub also reads. */
function explain(response: Response, { repo, revision = "main" }: HubMirror, what: string, hasToken: boolean) {
  const { status } = response;
  if (![401, 403, 404].includes(status)) return undefined;
  const code = response.headers.get("x-error-code");
  if (code === "GatedRepo") return new UserError(`${repo} is gated: ${howToEnter(repo, hasToken)}`);
  if (code === "RevisionNotFound") return new UserError(`${repo} has no revision "${revision}"`);
  if (code === "EntryNotFound") return new UserError(`the hub has no file ${what} at revision "${revision}"`);
  if (status === 403)
    return new UserError(`the hub refuses ${repo} (HTTP 403); HF_TOKEN may lack the right to read it`);
  if (status === 401 && hasToken && code !== "RepoNotFound")
    return new UserError(`the hub refused the token in HF_TOKEN (HTTP 401) for ${repo}`);
  const hidden = hasToken
    ? "or the token has no access"
    : "or it is private and HF_TOKEN must hold a token that may read it";
  return new UserError(`the hub has no repository ${repo} (HTTP ${status}): it does not exist, ${hidden}`);
}

const howToEnter = (repo: string, hasToken: boolean): string =>
  hasToken
    ? `the account of the token in HF_TOKEN has no access; ask for it at ${endpoint()}/${repo}`
    : `accept its terms at ${endpoint()}/${repo}, and set HF_TOKEN to a token of your account`;
