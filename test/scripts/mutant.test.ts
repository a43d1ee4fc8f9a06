/** Mutants of the native code are found by what the code says: a renamed variable, a new line break or a comment hides none. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { mutated } from '../../scripts/mutant.mjs';
import { mutations } from '../native/mutations.mjs';

const native = fileURLToPath(new URL('../../native', import.meta.url));
const slope = { inside: 'slope', from: '$kl * ($lp - $reference)', to: '$kl * ($reference - $lp)' };

it('finds every mutant of the list exactly once, and changes the file', () => {
  const lost = mutations.flatMap(({ file, what, ...mutation }) => {
    const text = readFileSync(path.join(native, file), 'utf8');
    try {
      return mutated(text, mutation) === text ? [`${file}, ${what}: changes nothing`] : [];
    } catch (error) {
      return [`${file}, ${what}: ${(error as Error).message}`];
    }
  });
  expect(lost).toEqual([]);
});

it('takes other names, line breaks and comments for the same code', () => {
  expect(mutated('double slope(int m) { return kl * (lp - reference); }', slope)).toBe(
    'double slope(int m) { return kl * (reference - lp); }',
  );
  expect(
    mutated('auto slope(X x = {}) const {\n  return c.kl  // of it\n    * (own[m] -\n ref(j)[m]);\n}', slope),
  ).toBe('auto slope(X x = {}) const {\n  return c.kl * (ref(j)[m] - own[m]);\n}');
});

it('looks inside the function alone, past its calls and what comments and strings say', () => {
  const text =
    'slope(1); // slope() { kl * (a - b) }\nf("{") { x * (a - b); } slope() { y * (c - d); } g() { z * (e - f); }';
  expect(mutated(text, slope)).toContain('{ y * (d - c); }');
  const nested = { inside: 'Q4 / eight', from: '- 8', to: '- 7' };
  expect(mutated('struct Q8 { eight() { x - 8; } }; struct Q4 { eight() { x - 8; } };', nested)).toBe(
    'struct Q8 { eight() { x - 8; } }; struct Q4 { eight() { x - 7; } };',
  );
});

it('says what it did not find, and refuses a choice between two places', () => {
  expect(() => mutated('slope() { return 1; }', slope)).toThrow('`$kl * ($lp - $reference)` occurs 0 times there');
  expect(() => mutated('slope() { a * (b - c); d * (e - f); }', slope)).toThrow('occurs 2 times there');
  expect(() => mutated('slopes() { a * (b - c); }', slope)).toThrow('slope has no body there');
  expect(() => mutated('slope() { a * (b - c); }', { ...slope, to: '$other' })).toThrow('names $other');
});
