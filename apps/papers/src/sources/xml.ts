import { XMLParser, XMLValidator } from "fast-xml-parser";
import { UserError } from "modicum";

/** An element: attributes begin with `@`; `#text` is its text if it has attributes or child elements. */
export type Element = Readonly<Record<string, unknown>>;

/** Elements that may occur several times; others are single. */
const MANY = new Set(["entry", "item", "author", "link", "category"]);

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  parseTagValue: false,
  parseAttributeValue: false,
  htmlEntities: true,
  isArray: (name) => MANY.has(name),
});

/** Parses XML without document types, whose entities could expand without bound. @throws UserError */
export function parseXml(text: string): Element {
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw new UserError("this XML has a document type, which feeds do not need");
  const checked = XMLValidator.validate(text);
  if (checked !== true) throw new UserError(`this is not XML: line ${checked.err.line}: ${checked.err.msg}`);
  return parser.parse(text) as Element;
}

/** All elements with a name. */
export const elements = (parent: unknown, name: string): Element[] => {
  const found = isElement(parent) ? parent[name] : undefined;
  return (Array.isArray(found) ? found : found === undefined ? [] : [found]).map((each) =>
    isElement(each) ? each : { "#text": each },
  );
};

/** The text of a child element; empty if it is missing. */
export function textOf(parent: unknown, name: string): string {
  const text = elements(parent, name)[0]?.["#text"];
  return text === undefined || text === null ? "" : String(text);
}

export const attribute = (element: Element, name: string): string => {
  const value = element[`@${name}`];
  return typeof value === "string" ? value : "";
};

const isElement = (value: unknown): value is Element =>
  typeof value === "object" && value !== null && !Array.isArray(value);
