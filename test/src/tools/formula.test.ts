import { describe, expect, it } from 'vitest';
import { ELEMENT_NAMES } from '../../../src/tools/child/elements.js';
import { parseFormula } from '../../../src/tools/child/formula.js';

const symbols = new Set(ELEMENT_NAMES.map(([symbol]) => symbol));
const read = (text: string) => {
  const { atoms, charge } = parseFormula(text, (symbol) => symbols.has(symbol));
  return `${[...atoms].map(([symbol, number]) => symbol + number).join(' ')} ${charge}`;
};

describe('parseFormula', () => {
  it.each([
    ['H2O', 'H2 O1 0'],
    ['Ca(OH)2', 'Ca1 O2 H2 0'],
    ['K4[Fe(CN)6]', 'K4 Fe1 C6 N6 0'],
    ['[Fe(CN)6]4-', 'Fe1 C6 N6 -4'],
    ['CuSO4·5H2O', 'Cu1 S1 O9 H10 0'],
    ['2H2O', 'H4 O2 0'],
    ['H₂SO₄', 'H2 S1 O4 0'],
    ['SO₄²⁻', 'S1 O4 -2'],
    ['SO4^2-', 'S1 O4 -2'],
    ['SO42-', 'S1 O4 -2'],
    ['NH4+', 'N1 H4 1'],
    ['NO3-', 'N1 O3 -1'],
    ['Fe3+', 'Fe1 3'],
    ['Hg22+', 'Hg2 2'],
    ['Na+', 'Na1 1'],
    ['Cu++', 'Cu1 2'],
    ['CO', 'C1 O1 0'],
    ['Co', 'Co1 0'],
  ])('%s', (text, expected) => {
    expect(read(text)).toBe(expected);
  });

  it.each(['', 'h2o', 'Ca(OH', 'CaOH)2', 'Ca(OH]2', 'Xx', 'H0', 'H99999999', '5'])('refuses "%s"', (text) => {
    expect(() => read(text)).toThrow();
  });
});

it('knows 118 elements, each once', () => {
  expect(symbols.size).toBe(118);
  expect(ELEMENT_NAMES[25]).toEqual(['Fe', 'Iron']);
  expect(ELEMENT_NAMES[117]).toEqual(['Og', 'Oganesson']);
});
