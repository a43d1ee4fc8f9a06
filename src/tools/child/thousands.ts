/** Thousands separators: which commas are inside a number, and which separate numbers. */
import { closing } from './normalize.js';

/** Functions of one argument, in whose brackets a comma can only be inside a number. */
const SINGLE = new Set(
  `sqrt cbrt abs exp ln log10 log2 lg sin cos tan asin acos atan arcsin arccos arctan sinh cosh tanh floor ceil
   factorial percent`.split(/\s+/),
);

const GROUPED = /(?<![\w.]|\d,)\d{1,3}(?:,\d{3})+(?!\w|,\d)/g;

/** Numbers grouped by thin spaces: LaTeX's `1\,000`, or U+2009 and U+202F. */
const THIN = /(?<![\w.,])\d{1,3}(?:[\u2009\u200a\u202f]\d{3})+(?!\d)/g;

/**
 * The text without thousands separators. In brackets of a function or a list `1,200,3` are three numbers, and
 * `1,000, 2,000` two; where both can be meant, this throws and says how to write it.
 */
export function withoutThousands(text: string): string {
  const plain = text
    .replace(THIN, (digits) => digits.replace(/\D/g, ''))
    .replace(/[\u2009\u200a\u202f]/g, ' ')
    .replace(/(?<=\d)_(?=\d{3}(?!\d))/g, '');
  return region(plain, 'grouping');
}

/** `grouping`: no comma separates here; `list`: commas do. Brackets inside are regions of their own. */
function region(text: string, kind: 'grouping' | 'list'): string {
  const inner: string[] = [];
  let own = '';
  for (let at = 0; at < text.length; at++) {
    const c = text[at]!;
    const end = c === '(' || c === '[' || c === '{' ? closing(text, at) : -1;
    if (end < 0) {
      own += c;
      continue;
    }
    inner.push(c + region(text.slice(at + 1, end), kindOf(text.slice(0, at), c)) + text[end]);
    // A private character stands for the bracket, so that only the region's own commas are looked at.
    own += '\ue000';
    at = end;
  }
  const read = kind === 'grouping' ? joined(own) : readList(own);
  return read.replace(/\ue000/g, () => inner.shift()!);
}

function kindOf(before: string, bracket: string): 'grouping' | 'list' {
  if (bracket !== '(') return 'list';
  const name = /([A-Za-z_][\w.]*)\s*$/.exec(before)?.[1];
  if (name === undefined || /^(?:of|to|in|mod|times|plus|minus)$/.test(name)) return 'grouping';
  return SINGLE.has(name.replace(/^.*\./, '')) ? 'grouping' : 'list';
}

function joined(text: string): string {
  return text.replace(GROUPED, (digits) => digits.replaceAll(',', ''));
}

function readList(text: string): string {
  const spaced = /,\s/.test(text);
  const grouped = text.match(GROUPED) ?? [];
  // `mean(1,000,2,000)` and `mean(1,200,3,400)`.
  const broken = /(?<=\d),0\d\d(?!\d)/.test(text) || /^\d{1,2},\d{3}(?:,\d{1,2},\d{3})+$/.test(text.trim());
  if (grouped.length === 0) {
    if (broken) throw unclear(text);
    return text;
  }
  // `000` and `050` are no numbers as people write them, so the comma before is inside a number.
  const zeros = grouped.some((digits) => /,0\d\d/.test(digits));
  if (!spaced) {
    if (zeros && grouped.length === 1 && grouped[0] === text.trim() && text.split(',').length === 2)
      return joined(text);
    if (zeros || /,\d{3}\.\d/.test(text)) throw unclear(text);
    return text;
  }
  const parts = text.split(/,\s+/).map((part) => part.trim());
  const others = parts.filter((part) => /^[-+]?[\d.]+$/.test(part) && Math.abs(Number(part)) >= 1000);
  if (others.length > 0) throw unclear(text);
  const all = parts.every((part) => part.match(GROUPED) !== null);
  if (all || zeros) return joined(text);
  throw unclear(text);
}

function unclear(text: string): Error {
  return new Error(
    `in ${text.trim().replaceAll('\ue000', '(…)').slice(0, 40)} a comma may group digits or separate numbers; write 1000, 2000 without thousands commas`,
  );
}
