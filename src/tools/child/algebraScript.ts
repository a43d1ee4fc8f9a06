/** Programs for SymPy that models give to `algebra`: imports and declarations go, values of names are put in, the last line is asked. */
import { closing, unwrapped } from './normalize.js';

/** What is left of a program. */
export interface Script {
  readonly text: string;
  /** Names that `symbols` declared. */
  readonly variables: readonly string[];
  /** Names that `Function` declared. */
  readonly unknown: readonly string[];
  /** Whether it was such a program, where I and E are constants. */
  readonly sympy: boolean;
}

/** The last formula of a program; any other input comes back as it is. */
export function plainScript(input: string): Script {
  const text = unwrapped(input, 'algebra');
  const none: Script = { text, variables: [], unknown: [], sympy: false };
  if (!/\bsymbols\s*\(|\bimport\b|\bprint\s*\(|\bSymbol\s*\(/.test(text)) {
    return { ...none, text: text.replace(/\b(?:sympy|sp)\.(?=[A-Za-z])/g, '') };
  }
  const variables: string[] = [];
  const unknown: string[] = [];
  const values = new Map<string, string>();
  let last = '';
  for (const whole of logicalLines(text)) {
    const line = whole
      .replace(/\b(?:sympy|sp|math|np|numpy)\.(?=[A-Za-z])/g, '')
      .replace(/#.*$/, '')
      .trim();
    if (line === '' || /^(?:from\s+\w+\s+)?import\b|^init_printing/.test(line)) continue;
    const declared = /^[\w\s,]+=\s*(?:symbols|Symbol|var)\s*\(\s*(["'])(.*?)\1([^)]*)\)$/.exec(line);
    if (declared !== null) {
      variables.push(...declared[2]!.split(/[\s,]+/).filter(Boolean));
      continue;
    }
    const made = /^(\w+)\s*=\s*Function\s*\(/.exec(line);
    if (made !== null) {
      unknown.push(made[1]!);
      continue;
    }
    const assigned = /^([A-Za-z_]\w*)\s*=(?!=)\s*([\s\S]+)$/.exec(line);
    const value = put(assigned === null ? printed(line) : assigned[2]!, values);
    if (assigned !== null) values.set(assigned[1]!, value);
    last = value;
  }
  return last === '' ? none : { text: last, variables, unknown, sympy: true };
}

function printed(line: string): string {
  const call = /^print\s*\(/.exec(line);
  return call !== null && closing(line, call[0].length - 1) === line.length - 1 ? line.slice(call[0].length, -1) : line;
}

function put(text: string, values: ReadonlyMap<string, string>): string {
  const out = text.replace(/(?<![\w.])([A-Za-z_]\w*)(?!\w|\s*=(?!=))/g, (name) =>
    values.has(name) ? `(${values.get(name)})` : name,
  );
  if (out.length > 5000) throw new Error('the program is too long; write one formula');
  return out;
}

/** Lines, of which one goes on where a bracket is open; `;` ends one, too. */
function logicalLines(text: string): string[] {
  const out: string[] = [];
  let [line, depth] = ['', 0];
  for (const c of text) {
    if ('([{'.includes(c)) depth++;
    if (')]}'.includes(c)) depth--;
    if ((c === '\n' || c === ';') && depth <= 0) {
      out.push(line);
      line = '';
    } else line += c;
  }
  return [...out, line];
}
