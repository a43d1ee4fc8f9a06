/**
 * The input of a tool that has a JSON schema. A model writes text, the tool wants an object. The schema may be an MCP server's and
 * is not to be trusted: of it only names and types are used, cut and cleaned.
 */
import { oneLine } from './observation.js';

/** What of a tool's schema decides how text becomes its arguments. */
export interface InputShape {
  readonly properties: readonly string[];
  readonly required: readonly string[];
  /** The one required parameter, where it is a text: a model may then write the text alone. */
  readonly text: string | null;
  /** Whether other properties than these are refused. */
  readonly closed: boolean;
}

export type Arguments =
  | { readonly ok: true; readonly value: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly why: string };

/** A schema with more is no tool for a model that writes one line. */
const MOST_PROPERTIES = 64;
const LONGEST_HINT = 200;

export function shapeOf(schema: unknown): InputShape {
  const { properties, required, additionalProperties } = record(schema);
  const names = Object.keys(record(properties)).slice(0, MOST_PROPERTIES);
  const needed = (Array.isArray(required) ? required : []).filter((name) => typeof name === 'string');
  const only = needed.length === 1 ? needed[0]! : null;
  const text = only !== null && isText(record(properties)[only]) ? only : null;
  return {
    properties: names,
    required: needed.slice(0, MOST_PROPERTIES),
    text,
    closed: additionalProperties === false,
  };
}

/** What the input looks like: `path (the file to read), or JSON {"path": string, "head"?: number}`. */
export function hintOf(schema: unknown): string {
  const { properties } = record(schema);
  const { properties: names, required, text } = shapeOf(schema);
  const fields = names.map((name) => {
    const mark = required.includes(name) ? '' : '?';
    return `${JSON.stringify(visible(name, 40))}${mark}: ${typeWords(record(properties)[name])}`;
  });
  const json = `JSON {${fields.join(', ')}}`;
  if (text === null) return visible(names.length === 0 ? '{}' : json, LONGEST_HINT);
  const { description } = record(record(properties)[text]);
  const about = typeof description === 'string' && description.trim() !== '' ? ` (${visible(description, 60)})` : '';
  const plain = `${visible(text, 40)}${about}`;
  return visible(names.length === 1 ? plain : `${plain}, or ${json}`, LONGEST_HINT);
}

/** Arguments of what a model wrote: a JSON object as it is, else the one required text. */
export function argumentsOf(input: string, shape: InputShape): Arguments {
  const text = input.trim();
  const bare = text.replace(/^```(?:json)?\s*([\s\S]*?)\s*```$/i, '$1');
  if (bare.startsWith('{')) {
    const parsed = parseObject(bare);
    if (parsed.ok) return complete(parsed.value, shape);
    // `{a, b}` may be what the text parameter wants; `{"path": …` was meant as JSON and is not.
    if (shape.text === null || /^\{\s*["'}]/.test(bare)) return parsed;
  }
  if (shape.text !== null) return { ok: true, value: { [shape.text]: text } };
  return { ok: false, why: 'expected a JSON object' };
}

function complete(value: Readonly<Record<string, unknown>>, { required, properties, closed }: InputShape): Arguments {
  const missing = required.filter((name) => !Object.hasOwn(value, name));
  if (missing.length > 0) return { ok: false, why: `missing ${visible(missing.join(', '), 80)}` };
  const unknown = closed ? Object.keys(value).filter((name) => !properties.includes(name)) : [];
  if (unknown.length > 0) return { ok: false, why: `unknown ${visible(unknown.join(', '), 80)}` };
  return { ok: true, value };
}

function parseObject(text: string): Arguments {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? { ok: true, value } : { ok: false, why: 'expected a JSON object' };
  } catch (error) {
    return { ok: false, why: `not valid JSON: ${oneLine((error as Error).message, 80)}` };
  }
}

/** A type in a few words; of a choice its first texts. */
function typeWords(schema: unknown, depth = 0): string {
  const { type, enum: choices, items, properties } = record(schema);
  if (Array.isArray(choices) && choices.length > 0) {
    const shown = choices.slice(0, 4).map((one) => visible(JSON.stringify(one) ?? '', 24));
    return shown.join(' | ') + (choices.length > 4 ? ' | …' : '');
  }
  if (type === 'array') return depth > 2 || items === undefined ? '[…]' : `[${typeWords(items, depth + 1)}]`;
  if (type === 'object') {
    const inner = Object.entries(record(properties)).slice(0, 4);
    if (depth > 2 || inner.length === 0) return '{…}';
    return `{${inner.map(([name, of]) => `${JSON.stringify(visible(name, 40))}: ${typeWords(of, depth + 1)}`).join(', ')}}`;
  }
  if (typeof type === 'string') return visible(type, 16);
  return 'any';
}

function isText(schema: unknown): boolean {
  const { type, enum: choices } = record(schema);
  if (type === undefined && Array.isArray(choices)) return choices.every((one) => typeof one === 'string');
  return type === 'string';
}

/**
 * Text of a server as one short line: without control characters, invisible ones (which turn the direction of writing round or
 * hide words) and half characters.
 */
export function visible(text: string, max: number): string {
  // Cut before it is cleaned, too: a server may send megabytes.
  const head = text.slice(0, 8 * max);
  return oneLine(head.replace(/\p{Cc}+/gu, ' ').replace(/[\p{Cf}\p{Cs}\p{Co}]/gu, ''), max);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
