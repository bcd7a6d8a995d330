import type { Argument, Command, Option } from "commander";
import { printable } from "../util/printable.ts";
import { aliases } from "../weights/sources/index.ts";

/** The completions of a value: words, and files or folders. */
interface Value {
  readonly words: readonly string[];
  readonly paths?: "files" | "folders";
}

interface Flag {
  readonly name: string;
  readonly help: string;
  /** Absent if the flag takes no value. */
  readonly value?: Value;
}

/** A command with its words: `modicum lab run`. */
interface Call {
  readonly words: string;
  readonly flags: readonly Flag[];
  readonly verbs: readonly { readonly name: string; readonly help: string }[];
  readonly argument: Value;
}

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** The possible names for each kind of value, such as savings. */
export type Names = Readonly<Record<string, readonly string[]>>;

/** The script that completes a program's calls in a shell. */
export function completionScript(shell: Shell, program: Command, names: Names): string {
  const calls = callsOf(program, { ...names, model: Object.keys(aliases) });
  switch (shell) {
    case "bash":
      return bashScript(calls);
    case "zsh":
      return zshScript(calls);
    case "fish":
      return fishScript(calls);
  }
}

function callsOf(command: Command, names: Names, before = ""): Call[] {
  const words = `${before}${command.name()}`;
  const call: Call = {
    words,
    flags: command.options.map((option) => flagOf(option, names)),
    verbs: command.commands.map((inner) => ({ name: inner.name(), help: inner.summary() || inner.description() })),
    argument: joined(command.registeredArguments.map((argument) => valueNamed(argument.name(), argument, names))),
  };
  return [call, ...command.commands.flatMap((inner) => callsOf(inner, names, `${words} `))];
}

function flagOf(option: Option, names: Names): Flag {
  const [, placeholder] = /<(.+?)(?:\.\.\.)?>/.exec(option.flags) ?? [];
  const value = placeholder === undefined ? {} : { value: valueNamed(placeholder, option, names) };
  return { name: option.long!, help: printable(option.description), ...value };
}

/** Placeholders that stand for files and for folders. */
const FILES = new Set([
  "file",
  "files",
  "config",
  "grid",
  "image",
  "run",
  "paths",
  "sources",
  "documents",
  "tuned",
  "model",
  "task",
]);
const FOLDERS = new Set(["folder", "folders", "dir", "A", "B"]);

/** The values of a placeholder such as `file`, `model` or `json or file`, or an option's own choices. */
function valueNamed(placeholder: string, { argChoices = [] }: Option | Argument, names: Names): Value {
  const parts = placeholder.split(/\||=| or /);
  const words = argChoices.length > 0 ? argChoices : parts.flatMap((part) => names[part] ?? []);
  if (parts.some((part) => FILES.has(part))) return { words, paths: "files" };
  return parts.some((part) => FOLDERS.has(part)) ? { words, paths: "folders" } : { words };
}

function joined(values: readonly Value[]): Value {
  const paths = values.find((value) => value.paths === "files")?.paths ?? values.find((value) => value.paths)?.paths;
  return { words: values.flatMap(({ words }) => words), ...(paths && { paths }) };
}

/** The words of every call except the program's own, as one `case` pattern. */
const innerCalls = (calls: readonly Call[]): string =>
  calls
    .slice(1)
    .map(({ words }) => JSON.stringify(words))
    .join(" | ");

/** Groups pairs of a call and a flag by the completion of their value, so that each completion is written once. */
function byValue(calls: readonly Call[]): [Value, string[]][] {
  const entries = new Map<string, [Value, string[]]>();
  for (const { words, flags } of calls)
    for (const { name, value } of flags) {
      if (!value) continue;
      const key = JSON.stringify(value);
      const entry: [Value, string[]] = entries.get(key) ?? [value, []];
      entry[1].push(`"${words} ${name}"`);
      entries.set(key, entry);
    }
  return [...entries.values()];
}

function bashScript(calls: readonly Call[]): string {
  const reply = ({ words, paths }: Value) => `_modicum_reply ${paths ?? "none"} ${quoted(words.join(" "))}`;
  const values = byValue(calls).map(([value, keys]) => `    ${keys.join(" | ")}) ${reply(value)}; return ;;`);
  const bodies = calls.map(({ words, flags, verbs, argument }) => {
    const flagWords = quoted(flags.map(({ name }) => name).join(" "));
    const own = { ...argument, words: [...new Set([...verbs.map(({ name }) => name), ...argument.words])] };
    return `    "${words}")
      if [[ $current == -* ]]; then _modicum_reply none ${flagWords}; else ${reply(own)}; fi ;;`;
  });
  // Bash splits --flag=value at the equals sign.
  return `# bash completion of modicum
_modicum_reply() {
  local IFS=$' \\t\\n'
  COMPREPLY=($(compgen -W "$2" -- "$current"))
  [[ $1 == none ]] && return
  local IFS=$'\\n' how=-f
  [[ $1 == folders ]] && how=-d
  COMPREPLY+=($(compgen $how -- "$current"))
  compopt -o filenames 2> /dev/null
}
_modicum() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} call=modicum i
  if [[ $current == "=" ]]; then current=
  elif [[ $before == "=" ]]; then before=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$call \${COMP_WORDS[i]}" in
      ${innerCalls(calls)}) call="$call \${COMP_WORDS[i]}" ;;
      *) break ;;
    esac
  done
  COMPREPLY=()
  case "$call $before" in
${values.join("\n")}
  esac
  case "$call" in
${bodies.join("\n")}
  esac
}
complete -F _modicum modicum`;
}

function zshScript(calls: readonly Call[]): string {
  const compadd = ({ words }: Value) => (words.length === 0 ? "" : `compadd -- ${words.map(quoted).join(" ")}; `);
  const paths = ({ paths: kind }: Value) => (kind === "files" ? "_files; " : kind === "folders" ? "_files -/; " : "");
  const described = (items: readonly { readonly name: string; readonly help: string }[]) =>
    items.map(({ name, help }) => quoted(`${name}:${help}`)).join(" ");
  const values = byValue(calls).map(
    ([value, keys]) => `    (${keys.join(" | ")}) ${compadd(value)}${paths(value)}return ;;`,
  );
  const bodies = calls.map(
    ({ words, flags, verbs, argument }) => `    ("${words}")
      if [[ $PREFIX == -* ]]; then items=(${described(flags)}); _describe -o option items; return; fi
      ${verbs.length === 0 ? "" : `items=(${described(verbs)}); _describe verb items; `}${compadd(argument)}${paths(argument)};;`,
  );
  return `#compdef modicum
_modicum() {
  local call=modicum i
  local -a items
  for ((i = 2; i < CURRENT; i++)); do
    case "$call \${words[i]}" in
      (${innerCalls(calls)}) call="$call \${words[i]}" ;;
      (*) break ;;
    esac
  done
  case "$call \${words[CURRENT-1]}" in
${values.join("\n")}
  esac
  case "$call" in
${bodies.join("\n")}
  esac
}
if [[ $funcstack[1] == _modicum ]]; then _modicum "$@"; else compdef _modicum modicum; fi`;
}

function fishScript(calls: readonly Call[]): string {
  const at = (words: string) => `complete -c modicum -n "__modicum_at '${words}'"`;
  const candidates = ({ words }: Value) => (words.length === 0 ? "" : ` -a ${fishQuoted(words.join(" "))}`);
  const paths = ({ paths: kind }: Value) =>
    kind === "files" ? " -F" : kind === "folders" ? " -a '(__fish_complete_directories)'" : "";
  const completions = calls.flatMap(({ words, flags, verbs, argument }) => [
    ...verbs.map(({ name, help }) => `${at(words)} -a ${name} -d ${fishQuoted(help)}`),
    ...flags.map(({ name, help, value }) => {
      const takes = value ? ` ${value.paths === "files" ? "-r" : "-x"}${candidates(value)}${paths(value)}` : "";
      return `${at(words)} -l ${name.slice(2)}${takes} -d ${fishQuoted(help)}`;
    }),
    ...(argument.words.length > 0 || argument.paths ? [`${at(words)}${candidates(argument)}${paths(argument)}`] : []),
  ]);
  const inner = calls.slice(1).map(({ words }) => fishQuoted(words));
  return `# fish completion of modicum
set -g __modicum_calls ${inner.join(" ")}
function __modicum_at
  set -l call modicum
  for word in (commandline -opc)[2..-1]
    contains -- "$call $word" $__modicum_calls; and set call "$call $word"; or break
  end
  test "$call" = "$argv[1]"
end
complete -c modicum -f
${completions.join("\n")}`;
}

/** A word quoted for bash and zsh. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const fishQuoted = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;
