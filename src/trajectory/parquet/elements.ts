/** Columns of Parquet, as lists of schema elements: the column itself, then what lies in it. */
import type { SchemaElement } from 'hyparquet';

type Repetition = 'REQUIRED' | 'OPTIONAL';
export type Column = readonly SchemaElement[];

const leaf =
  (type: Partial<SchemaElement>) =>
  (name: string, repetition_type: Repetition = 'REQUIRED'): Column => [{ name, repetition_type, ...type }];
export const text = leaf({ type: 'BYTE_ARRAY', converted_type: 'UTF8' });
export const whole = leaf({ type: 'INT64' });
export const small = leaf({ type: 'INT32' });
export const real = leaf({ type: 'DOUBLE' });
export const flag = leaf({ type: 'BOOLEAN' });

export function group(name: string, children: readonly Column[], repetition_type: Repetition = 'REQUIRED'): Column {
  return [{ name, repetition_type, num_children: children.length }, ...children.flat()];
}

/** `element` is the column of one item, of the name `element`. */
export function list(name: string, element: Column, repetition_type: Repetition = 'REQUIRED'): Column {
  return [
    { name, repetition_type, converted_type: 'LIST', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    ...element,
  ];
}
