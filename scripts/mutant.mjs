/**
 * Puts a mutation into a C++ source. Its place is given by a pattern of C++ tokens; spaces, line breaks and comments
 * between them do not matter. `$name` in a pattern stands for one operand: an identifier with members, subscripts and
 * calls after it (`batch.returns[t]`, `deltas(j)[col]`), so that renaming a variable does not break the pattern. The
 * same `$name` twice must match the same operand. In the replacement `$name` is what it matched.
 */

const BRACKETS = String.raw`\[(?:[^\[\]]|\[[^\[\]]*\])*\]`;
const CALL = String.raw`\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)`;
const OPERAND = String.raw`[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*|${BRACKETS}|${CALL})*`;
const TOKENS = /\$([a-z]\w*)|[A-Za-z_]\w*|\d[\w.]*|\S/g;

/** @param {string} pattern @returns {RegExp} */
function expression(pattern) {
  /** @type {Set<string>} */
  const seen = new Set();
  const parts = [...pattern.matchAll(TOKENS)].map(([token, name]) => {
    if (name === undefined) {
      const word = token.replace(/[^\w\s]/g, '\\$&');
      return /^\w/.test(token) ? `(?<!\\w)${word}(?!\\w)` : word;
    }
    if (seen.has(name)) return `(?<!\\w)\\k<${name}>(?!\\w)`;
    seen.add(name);
    return `(?<!\\w)(?<${name}>${OPERAND})`;
  });
  return new RegExp(parts.join('\\s*'), 'dg');
}

/** The text with comments, strings and characters replaced by spaces, so that positions stay. @param {string} text */
function withoutComments(text) {
  return text.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'/g, (found) =>
    found.replace(/[^\n]/g, ' '),
  );
}

/** The position after the bracket that closes the one at `open`. @param {string} text @param {number} open */
function behindBracket(text, open) {
  const pairs = new Map([
    ['(', ')'],
    ['{', '}'],
    ['[', ']'],
  ]);
  const [left = '', right] = [text[open], pairs.get(text[open] ?? '')];
  let depth = 0;
  for (let at = open; at < text.length; ++at) {
    if (text[at] === left) ++depth;
    if (text[at] === right && --depth === 0) return at + 1;
  }
  return text.length;
}

/**
 * The ranges of the bodies of functions or types of this name, between `from` and `to`.
 * @param {string} text @param {string} name @param {number} from @param {number} to @returns {[number, number][]}
 */
function bodies(text, name, from, to) {
  /** @type {[number, number][]} */
  const found = [];
  for (const match of text.matchAll(expression(name))) {
    let at = match.index + match[0].length;
    if (match.index < from || at > to) continue;
    while (/\s/.test(text[at] ?? '')) ++at;
    if (text[at] === '(') at = behindBracket(text, at);
    // A function's, or the types that a struct extends.
    const qualifiers = /^(?:\s|const|noexcept|override|final)*(?::(?!:)[\s\w:<>,]*)?/.exec(text.slice(at, to));
    at += qualifiers?.[0].length ?? 0;
    if (text[at] === '{') found.push([at, behindBracket(text, at)]);
  }
  return found;
}

/**
 * The text with the mutation in it.
 * @param {string} text of the file
 * @param {{ inside: string, from: string, to: string }} mutation `inside`: the function it is in, `type / function` for one of
 *   several of that name, '' for the whole file
 */
export function mutated(text, { inside, from, to }) {
  const code = withoutComments(text);
  /** @type {[number, number][]} */
  let places = [[0, code.length]];
  for (const name of inside === '' ? [] : inside.split(' / ')) {
    places = places.flatMap(([first, last]) => bodies(code, name, first, last));
    if (places.length === 0) throw new Error(`${name} has no body there`);
  }
  const found = places.flatMap(([first, last]) =>
    [...code.matchAll(expression(from))].filter((m) => m.index >= first && m.index + m[0].length <= last),
  );
  const [match] = found;
  if (match === undefined || found.length > 1) throw new Error(`\`${from}\` occurs ${found.length} times there`);
  const operand = (/** @type {string} */ _, /** @type {string} */ name) => {
    const range = match.indices?.groups?.[name];
    if (range === undefined) throw new Error(`\`${to}\` names $${name}, which \`${from}\` does not`);
    return text.slice(...range);
  };
  const end = match.index + match[0].length;
  return text.slice(0, match.index) + to.replace(/\$([a-z]\w*)/g, operand) + text.slice(end);
}
