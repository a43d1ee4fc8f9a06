/** Heat, free energy, cells, colligative properties of the tool `chemistry`. Figures from the laws, with CODATA's constants, in Python. */
import { describe, expect, it } from 'vitest';
import { createChemistry } from '../../../src/tools/child/chemistry.js';
import { answering } from './answer.js';

const answer = answering(createChemistry());

describe('chemistry: laws between quantities', () => {
  it.each([
    ['q = m c ΔT, m = 100 g, c = 4.18, ΔT = 20', /^q = 8360 J /],
    ['q = mcΔT with m = 0.1 kg, c = 0.385 J/g°C, ΔT = 20 °C', /^q = 770 J /],
    ['heat needed to raise 50 g of water from 20 °C to 45 °C', /^q = 5230 J .*c = 4\.184 .*of water/],
    ['heat required to raise 250 g of iron from 25 to 75 C, c = 449 J/(kg K)', /^q = 5612\.5 J /],
    ['specific heat if 1.2 kJ heats 100 g from 20 C to 40 C', /^c = 0\.6 J\/\(g K\)/],
    ['q = 2.5 kJ, m = 50 g, c = 4.184 J/g K', /^ΔT = 11\.9503 K/],
    ['heat to cool 10 g of water from 80 °C to 20 °C', /^q = -2510\.4 J/],
    ['heat to cool 50 g of water by 10 °C', /^q = -2092 J/],
    ['heat needed to raise 50 g of water from 298 K to 50 °C', /^q = 5261\.38 J/],
    ['heat needed to raise 50 g of water from 20 °C to 300 K', /^q = 1433\.02 J/],
    ['delta G = delta H - T delta S, delta H = -92 kJ/mol, delta S = -199 J/(mol K), T = 298 K', /^ΔG = -32\.698 kJ/],
    ['dH = 30 kJ/mol, dS = 100 J/mol·K, T = 25 °C', /^ΔG = 0\.185 kJ/],
    ['temperature at which it becomes spontaneous: ΔH = 178 kJ/mol, ΔS = 160 J/mol K', /^T = 1112\.5 K .*sign of ΔG/],
    ['ΔG = 10 kJ, ΔH = 20 kJ, T = 300 K, ΔS = ?', /^ΔS = 0\.0333333 kJ\/K/],
    ['Nernst E0=1.1 n=2 Q=0.01', /^E = 1\.15916 V .*T taken as 25 °C/],
    ['ΔG = -nFE, n = 2, E = 1.10 V', /^ΔG = -212\.268 kJ/],
    ['ΔG° for K = 1e5 at 298 K', /^ΔG = -28\.5257 kJ/],
    ['equilibrium constant if ΔG° = -30 kJ/mol at 298 K', /^K = 181308 /],
    ['Kp = 0.5 at 500 K, ΔG°', /^ΔG = 2\.88157 kJ/],
    ['Henderson-Hasselbalch pKa=4.76, [A-]=0.2, [HA]=0.1', /^pH = 5\.06103 /],
    ['freezing point depression 0.5 m glucose Kf=1.86', /^ΔT = 0\.93 K .*m = 0\.5 mol\/kg/],
    ['boiling point elevation of 1 m NaCl, i = 2, Kb = 0.512', /^ΔT = 1\.024 K/],
    ['osmotic pressure of 0.1 M glucose at 298 K', /^Π = 2\.44531 atm/],
    ['dilute 50 mL of 2 M HCl to a final volume of 200 mL', /^0\.5 M in 200 mL/],
    ['50 mL of 2 M HCl is diluted with 150 mL of water', /^0\.5 M in 200 mL .*volumes added/],
    ['M1V1 = M2V2, M1 = 6, V1 = 25 mL, M2 = 1.5', /^V2 = 0\.1 L/],
    ['half life 5 days, initial 80 g, time 15 days', /^10 g left of 80 g/],
    ['half-life 5 days, 10 g remaining after 15 days, find the original amount', /^80 g at the start/],
    ['80 g left after 15 days, half-life 5 days, initial amount?', /^640 g at the start/],
    ['half-life 5 days, initial amount 80 g, how much is left after 15 days', /^10 g left of 80 g/],
    ['ΔG° = -5.4 kcal/mol, K at 37 °C', /^K = 6383\.81 /],
    ['at what temperature is ΔG = 0 if ΔH = 178 kJ and ΔS = 160 J/K', /^T = 1112\.5 K/],
    ['50 g of water, Ti = 20 °C, Tf = 45 °C, heat needed', /^q = 5230 J/],
    ['heat released when 10 g of water cools from 80 °C to 20 °C', /^q = -2510\.4 J/],
    ['Nernst E° = 1.10 V, 2 electrons, Q = 0.1', /^E = 1\.12958 V/],
    ['ΔT = 3.72, Kf = 1.86, molality?', /^m = 2 mol\/kg/],
    ['Kb = 1.8e-5, pH of 0.1 M NH3', /^weak base NH3, pH = 11\.125/],
    ['ΔG for E°cell = 1.10 V, n = 2', /^ΔG = -212\.268 kJ/],
    ['freezing point depression, m = 0.5, Kf = 1.86 K·kg/mol', /^ΔT = 0\.93 K .*by which it is lowered/],
  ])('%s', (input, expected) => {
    expect(answer(input)).toMatch(expected);
  });

  it.each([
    // The number of another unit is no bare number: 0.5 m was a ΔT of 0.5.
    ['freezing point depression of 0.5 mol glucose, Kf = 1.86', /^refused: /],
    ['osmotic pressure of 0.1 M NaCl at 25 °C', /^refused: i of NaCl is needed/],
    ['heat to raise 100 g ethanol by 20 C', /^refused: c of ethanol is needed/],
    ['heat needed to melt 10 g of ice', /^refused: /],
    ['heat needed to raise 50 g of water at 100 °C from 20 °C to 45 °C', /^refused: /],
    ['heat to raise 100 g of water and 50 g of iron by 20 C', /^refused: /],
    ['q = 100, m = 5 g, c = 4.184 J/g K', /^refused: q needs its unit/],
    ['ΔH = -100 kJ, ΔS = 200 J/K', /^refused: ΔG and T are missing/],
    ['ΔH = -100 kJ, ΔS = 200, T = 298 K', /^refused: ΔS needs its unit/],
    ['ΔH = -100 kJ, ΔS = 200 J/K, T = 25', /^refused: T needs its unit/],
    ['Nernst: E° = 1.10 V, n = 2, [Zn2+] = 0.1, [Cu2+] = 1', /^refused: cannot read/],
    ['heat released by 50 g metal in water from 80 °C to 20 °C', /^refused: c and q are missing/],
    ['specific heat, 250 J released, 50 g metal, from 40 °C to 30 °C', /^refused: c would be -0\.5, .*signs/],
    ['temperature at which it becomes spontaneous: ΔH = -50 kJ, ΔS = 100 J/K', /^refused: T would be -500/],
    ['Henderson-Hasselbalch pKa = 4.76, HA 0.1 M and 0.2 M', /^refused: cannot read/],
    ['50 mL of 2 M HCl is diluted to 200 mL, moles of HCl', /^refused: /],
    ['ΔG: K = -5, T = 298 K', /^refused: /],
    ['50 mL of 2 M NaOH diluted to 25 mL', /^refused: the volume afterwards is smaller/],
  ])('is not silently wrong about %s', (input, expected) => {
    expect(answer(input)).toMatch(expected);
  });
});
