import { type Command, Help, Option } from "commander";
import { callOf } from "./errors.ts";

/** The maximum number of lines of short help. */
const LINES = 40;
const COLUMNS = 80;

/** The help for an option that takes any model. */
export const MODEL = "alias, path, hf:…, pypi:… or npm:… (modicum help models)";

/** The help for an option that takes a saving. */
export const SAVING = "a saving, name or name:key=value,…; may be repeated";

/** The help for an option that takes an adapter. */
export const ADAPTER = "a PEFT LoRA adapter";

/** The help for an option that names the store of indexes. */
export const STORE = "where the index is: postgres://user@host/database (default: files in MODICUM_HOME)";

const commonOptions = new WeakSet<Option>();
const examplesOf = new WeakMap<Command, readonly string[]>();

/** An option that short help shows even if not all options fit. */
export const common = (flags: string, description: string): Option => markCommon(new Option(flags, description));

export function markCommon(option: Option): Option {
  commonOptions.add(option);
  return option;
}

/** Adds examples to a command's help. */
export function examples(command: Command, ...calls: readonly string[]): Command {
  examplesOf.set(command, calls);
  return command;
}

/** Help of at most 40 lines: all options if they fit, otherwise the common options. */
export const shortHelp: Partial<Help> = {
  formatHelp(command, helper) {
    const fits = linesOf(page(command, helper, commonFirst, COLUMNS)) <= LINES;
    return page(command, helper, fits ? commonFirst : commonOnly);
  },
};

/** Help with all options, in groups. */
export const wholeHelp: Partial<Help> = { formatHelp: (command, helper) => page(command, helper, inGroups) };

type Choose = (options: readonly Option[]) => Option[];

const isCommon = (option: Option): boolean => commonOptions.has(option);
const commonOnly: Choose = (options) => options.filter(isCommon);
const commonFirst: Choose = (options) => [...commonOnly(options), ...options.filter((option) => !isCommon(option))];
const inGroups: Choose = (options) => [...options];

const linesOf = (text: string): number => text.trimEnd().split("\n").length;

/** Commander's help with the chosen options, then examples. */
function page(command: Command, helper: Help, choose: Choose, width = helper.helpWidth): string {
  const options = helper.visibleOptions(command).filter(({ long }) => long !== "--help");
  const shown = command.parent === null ? [] : choose(options);
  const own: Help = Object.assign(Object.create(helper), {
    helpWidth: width,
    visibleOptions: () => shown,
    // `help` itself is left out, since the last line names it.
    visibleCommands: () => command.commands.filter((inner) => inner.name() !== "help"),
    subcommandTerm: (inner: Command) => inner.name(),
    optionDescription,
    ...(choose !== inGroups && { groupItems: oneGroup }),
  });
  const calls = examplesOf.get(command) ?? [];
  const parts = [
    Help.prototype.formatHelp.call(own, command, own).trimEnd(),
    calls.length > 0 && ["Examples:", ...calls.map((call) => `  ${call}`)].join("\n"),
    moreText(command, options.length - shown.length),
  ];
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

/** The line that says how to show the other options. */
function moreText(command: Command, hidden: number): string {
  if (command.parent === null) return "More: modicum help VERB, modicum help topics, modicum --version";
  const call = callOf(command).replace("modicum ", "modicum help ");
  return hidden === 0 ? "" : `${hidden} more options: ${call} --all`;
}

/** A description with its choices added, unless it already names them. */
export const withChoices = (description: string, choices: readonly string[]): string =>
  choices.every((choice) => description.includes(choice)) ? description : `${description}: ${choices.join(", ")}`;

/** The description with choices and default. */
function optionDescription({ description, argChoices = [], defaultValue, negate }: Option): string {
  const usual = defaultValue === undefined || negate ? "" : ` (default: ${defaultValue})`;
  return `${withChoices(description, argChoices)}${usual}`;
}

/** All options under one heading. */
const oneGroup: Help["groupItems"] = (_, visible, groupOf) =>
  new Map(visible.length === 0 ? [] : [[visible[0] instanceof Option ? "Options:" : groupOf(visible[0]!), visible]]);
