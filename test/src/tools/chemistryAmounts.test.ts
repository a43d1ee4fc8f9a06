/** Solubility, rates and yields of the tool `chemistry`, against fixtures/amounts_reference.py; and what is refused. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createChemistry } from '../../../src/tools/child/chemistry.js';
import { answering } from './answer.js';

/** [input, words before the number, number]. */
const reference = JSON.parse(readFileSync(new URL('./fixtures/amounts.json', import.meta.url), 'utf8')) as [
  string,
  string,
  number,
][];
const answer = answering(createChemistry());

describe('amounts', () => {
  it('are those of polynomials, differential equations and null spaces solved elsewhere', () => {
    expect(reference.length).toBeGreaterThan(80);
    const off = reference
      .map(([input, before, want]) => {
        const got = answer(input);
        const number = new RegExp(`${before} (-?[\\d.]+(?:e[-+]?\\d+)?)(?![^(]*\\d = )`).exec(got)?.[1];
        return { input, want, got, value: Number(number ?? Number.NaN) };
      })
      // Six digits are shown.
      .filter(({ value, want }) => !(Math.abs(value - want) <= 6e-6 * Math.abs(want)));
    expect(off).toEqual([]);
  });

  it.each([
    ['solubility of Mg(OH)2 at pH 12, Ksp = 1.8e-11', /\[OH-\] = 0\.01 M held: 1\.8e-7 M/],
    // The other reading is that of someone who thinks of water's own ions.
    ['molar solubility of Fe(OH)3, Ksp = 2.8e-39', /1\.00913e-10 M.*at pH 7, where water has more, 2\.8e-18 M/],
    ['The Ksp of lead(II) iodide is 7.1e-9. What is its molar solubility?', /PbI2: 0\.00121\d+ M/],
    ['Ksp from solubility 0.0019 g/L AgCl', /^Ksp = .* = 1\.757\d+e-10 /],
    ['half-life k = 0.3 s^-1', /^order 1 by the unit of k; half-life = 2\.31049 s/],
    ['first-order reaction, half-life = 20 min, percent remaining after 60 min', /^12\.5 % left, 87\.5 % reacted/],
    ['zero order, k = 0.02 M/s, [A]0 = 0.8 M, t = 100 s', /^nothing is left: it is used up at t = 40 s/],
    [
      'rate law: [A] = 0.1, [B] = 0.1, rate = 2e-3; [A] = 0.2, [B] = 0.1, rate = 4e-3; [A] = 0.1, [B] = 0.2, rate = 8e-3',
      'rate = k[A][B]^2: order 1 in A, order 2 in B, 3 in all; k = 2 in the units given',
    ],
    ['Ea if the rate doubles from 25 °C to 35 °C, arrhenius', /= 52\.9489 kJ\/mol/],
    ['limiting reactant 2 mol H2, 1 mol O2, 2H2 + O2 -> 2H2O', /nothing is in excess; at most H2O 2 mol/],
    ['Zn + 2HCl -> ZnCl2 + H2, 6.5 g of zinc and 100 mL of 1 M HCl', /: HCl is limiting \(0\.1 mol\)/],
    ['How many moles of H2O from 3 moles of O2: 2 H2 + O2 = 2 H2O', /: H2O 6 mol = /],
    ['half-life 3.80 days, fraction remaining after 15.2 days', /^6\.25 % left/],
    ['time for 1/16 of the sample to remain, half-life 3.8 days', /^t = 15\.2 d /],
    ['age of a sample with 6.25% C-14 remaining, half-life 5730 y', /^t = 22920 y /],
    ['how much of a 100 g sample remains after 24 days, half-life 8 days', /^12\.5 g left of 100 g: /],
    // No solution of 2 M.
    ['D2 molar mass', 'D2: 4.028 g/mol'],
    ['half-life of C-14', /^C-14: half-life 5700 y/],
    ['[Ca2+] of CaSO4 in 0.0100 M Na2SO4, Ksp = 2.4e-5', /\[Ca\^2\+\] = 0\.002 M, \[SO4\^2-\] = 0\.012 M$/],
    ['pH of saturated Ca(OH)2, Ksp = 5.5e-6', /pH = 12\.35/],
    ['molarity of 5.85 g NaCl in 500 mL', /= 0\.200205 M$/],
    ['molality of 10 g NaCl in 500 g water', /= 0\.342231 mol\/kg$/],
    ['grams of NaOH needed for 250 mL of 0.1 M NaOH', /0\.025 mol = 0\.999925 g$/],
    ['moles in 25 mL of 0.1 M HCl', /: 0\.0025 mol /],
    ['dilute 50 mL of 6 M HCl to 1 M', /^final volume 0\.3 L = 300 mL of 1 M: water added 250 mL/],
    ['volume of 12 M HCl needed to make 500 mL of 1 M HCl', /^volume needed 0\.0416667 L/],
    ['neutralize 25 mL of 0.1 M HCl with 0.2 M NaOH', /^0\.0125 L = 12\.5 mL of 0\.2 M NaOH/],
    ['volume of 0.1 M NaOH to neutralize 20 mL of 0.1 M H2SO4', /^0\.04 L = 40 mL of 0\.1 M NaOH/],
    ['dilution M1 = 6 M, V1 = 50 mL, M2 = 1 M, volume V2', /^V2 = 0\.3 L/],
    ['empirical formula 40% C, 6.7% H, 53.3% O', /^empirical formula CH2O /],
    ['empirical formula: C 40.0%, H 6.71%, O 53.28%, molar mass 180 g/mol', /molecular formula C6H12O6$/],
    // A saturated solution's ions are no common ion.
    ['Ksp of AgCl, [Ag+] = 1.3e-5 M, [Cl-] = 1.3e-5 M', /= 1\.69e-10 \(/],
    ['Ksp of CaF2 if [Ca2+] = 3.3e-4 M and [F-] = 6.7e-4 M', /= 1\.48137e-10 \(/],
    ['Ksp of Ag2CrO4 if the concentration of Ag+ is 1.3e-4 M', /= 1\.0985e-12 \(/],
    ['Ksp of PbI2 if the I- concentration = 2.4e-3 M', /= 6\.912e-9 \(/],
    ['Ksp of AgCl if its molar solubility is 1.3e-5', /= 1\.69e-10 \(/],
    ['Ksp of AgCl, solubility 1.8e-9 M in 0.1 M NaCl', /= 1\.8e-10 \(/],
    // Each rate constant with its own temperature.
    ['activation energy, k2 = 0.02 s^-1 at 310 K, k1 = 0.01 s^-1 at 300 K', /= 53\.5973 kJ\/mol/],
    ['activation energy: k1 = 0.01 s^-1, k2 = 0.02 s^-1, 300 K and 310 K', /= 53\.5973 kJ\/mol/],
    ['Ea = 50 kJ/mol, k at 310 K, k1 = 0.01 s^-1 at 300 K', /k2 = 0\.0190909 /],
    ['Ea = 50 kJ/mol, find k2 at 350 K, k1 = 0.01 s^-1 at T1 = 300 K', /k2 = 0\.17525 /],
    ['empirical formula 84.53% C, 15.47% H', /^empirical formula C11H24 /],
    ['empirical formula 84.3% C, 15.7% H', /^empirical formula C9H20 /],
    ['2 H2 + O2 -> 2 H2O, 5 mol H2 in excess O2', /: O2 2\.5 mol/],
    ['dilute 12 M HCl to make 500 mL of 1 M HCl', /^volume needed 0\.0416667 L/],
  ])('%s', (input, expected) => {
    const got = answer(input);
    if (typeof expected === 'string') expect(got).toBe(expected);
    else expect(got).toMatch(expected);
  });

  it.each([
    ['solubility of AgCl', /Ksp is needed/],
    ['solubility of AgBr in 0.1 M NaNO3, Ksp 5e-13', /brings no ion of AgBr/],
    ['solubility of AgCl in 0.1 M NH3, Ksp 1.8e-10', /binds the metal/],
    ['solubility of ZnS in 0.1 M Na2SO4, Ksp = 1e-22', /brings no ion of ZnS/],
    ['solubility of CaCO3 at pH 4, Ksp = 3e-9', /not computed here/],
    ['solubility of AgCl at 60 °C, Ksp = 1.8e-10', /cannot read/],
    ['first order, k = 0.5 M^-1 s^-1, half-life', /of order 2, not 1/],
    ['second order half-life, k = 0.5 M^-1 s^-1', /needs \[A\]0/],
    ['half-life of third order reaction k = 0.3', /orders zero, one and two/],
    ['N2 + 3 H2 -> 2 NH3, 28 g N2, 10 g He', /He is not in the equation/],
    ['limiting reactant 28 g N2, 10 g H2', /the equation is needed/],
    ['N2 + 3 H2 -> 2 NH3, 28 g N2 at 50% excess H2, grams of NH3', /cannot read "at 50/],
    ['neutralize 25 mL of 0.1 M HCl with 0.2 M NaCl', /an acid and a base/],
    ['dilute 50 mL of 6 M HCl to 1 M NaOH', /two substances are no dilution/],
    ['molarity of 5.85 g NaCl', /volume of the solution is needed/],
    ['empirical formula 40% C, 6.7% H', /add up to 46\.7/],
    ['[A] = 0.1, rate = 2; [A] = 0.2, rate = 6.1', /not whole or half numbers/],
    ['[A] = 0.1, [B] = 0.1, rate = 2; [A] = 0.2, [B] = 0.2, rate = 4', /do not decide the orders/],
    ['Ksp of AgCl, solubility 1.8e-9 M, [Cl-] = 0.1 M', /read in two ways/],
    ['Ksp of Ag2CrO4 if the concentration of Ag+ in the saturated solution is 1.3e-4 M', /read in two ways/],
    ['Ksp of AgCl, 1.3e-5 M Ag+ and 1.3e-5 M Cl-', /read in two ways/],
    ['Ksp of AgCl in the presence of a common ion, [Cl-] = 0.1 M', /the solubility is needed too/],
    ['Ksp of Mg(OH)2 given pH of the saturated solution is 10.52', /cannot read/],
    ['solubility of Al(OH)3, Ksp = 1e-33, in 0.1 M NaOH', /hydroxo complex/],
    ['solubility of Zn(OH)2 at pH 12, Ksp = 3e-17', /hydroxo complex/],
    ['activation energy, rate doubles when temperature increases by 10 K from 300 K', /write both temperatures/],
    ['Ea = 50 kJ/mol, ratio of k at 310 K to 300 K', /which temperature is T1/],
    ['Ea = 50 kJ/mol, ratio of k at 310 K and 300 K', /which temperature is T1/],
    ['activation energy: k1 = 0.01 s^-1, k2 = 0.02 s^-1, at 310 K and 300 K', /which temperature is T1/],
    ['Ea = 50 kJ/mol, k1 = 0.01 s^-1 at T2 = 300 K, T1 = 310 K', /k1 belongs to T1/],
    ['Ea = 50 kJ/mol, k1 = 0.01 s^-1, T1 = 300 K, k2 = 0.02 s^-1, T2', /only one temperature/],
    ['Ea = 50 kJ/mol, k = 0.01 s^-1 at 300 K, temperature to double k', /only one temperature/],
    ['empirical formula 86.70% C, 13.30% H', /near no small whole numbers/],
    ['initial rate of second order reaction k = 0.5 M^-1 s^-1, [A]0 = 0.1 M', /a rate itself is not computed/],
    ['2 H2 + O2 -> 2 H2O, 5 mol H2 reacts, 1 mol O2 left over', /amounts at the start/],
    ['2 H2 + O2 -> 2 H2O, 5 mol H2, 1 mol O2 (left over)', /amounts at the start/],
    ['2 H2 + O2 -> 2 H2O, 5 mol H2, excess 1 mol O2', /amounts at the start/],
    ['dilute 100 mL of 0.5 M HCl to make 2 M', /stronger than the one at the start/],
    ['volume of 6 M HCl, need 500 mL of 12 M HCl', /stronger than the one at the start/],
    ['100 mL of 0.5 M HCl, make 2 M, dilution', /stronger than the one at the start/],
  ])('refuses %s', (input, message) => {
    expect(answer(input)).toMatch(/^refused: /);
    expect(answer(input)).toMatch(message);
  });
});
