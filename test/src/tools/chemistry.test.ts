/** The tool `chemistry` in this process: against molmass, chempy and mendeleev (fixtures/chemistry_reference.py), and against itself backwards. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { randomOf } from '../../../src/questions/mini/random.js';
import { nullSpace } from '../../../src/tools/child/balance.js';
import { createChemistry } from '../../../src/tools/child/chemistry.js';
import { formulaOfName, nameOfFormula } from '../../../src/tools/child/compoundNames.js';
import { isElement, massOf, numberOf, symbolOf } from '../../../src/tools/child/elementTable.js';
import { parseFormula } from '../../../src/tools/child/formula.js';
import { COMMON, FIXED_CHARGE, MONATOMIC, POLYATOMIC, VARIABLE_CHARGE } from '../../../src/tools/child/ions.js';

const reference = JSON.parse(readFileSync(new URL('fixtures/chemistry.json', import.meta.url), 'utf8')) as {
  masses: Record<string, number>;
  equations: Record<string, string>;
  weights: number[];
  nuclides: Record<string, number>;
  ionization: (number | null)[];
  electronegativity: (number | null)[];
  configurations: string[];
  halfLives: Record<string, number>;
  oxidationStates: Record<string, number[]>;
};
const chemistry = createChemistry();
const ask = (input: string): string => chemistry(input, 400) as string;
const firstNumber = (text: string): number => Number(/: (-?[\d.]+)/.exec(text)![1]);

describe('masses', () => {
  it('are those of molmass, to the digits of abridged weights', () => {
    for (const [formula, mass] of Object.entries(reference.masses)) {
      expect(Math.abs(firstNumber(ask(`mass ${formula}`)) / mass - 1), formula).toBeLessThan(2e-4);
    }
    reference.weights.forEach((weight, i) => {
      const symbol = symbolOf(i + 1);
      // Elements without stable isotopes have a mass number here, and the mass of some nuclide there.
      const tolerance = /Tc|Pm|Po|At|Rn|Fr|Ra|Ac|Np|Pu/.test(symbol) ? 0.02 : 2e-4;
      expect(Math.abs(massOf(symbol) / weight - 1), symbol).toBeLessThan(tolerance);
    });
  });

  it('of nuclides are those of AME', () => {
    for (const [nuclide, mass] of Object.entries(reference.nuclides)) {
      expect(Math.abs(firstNumber(ask(`mass of ${nuclide}`)) - mass), nuclide).toBeLessThan(6e-4);
    }
  });
});

describe('balancing', () => {
  it('gives the numbers of chempy', () => {
    for (const [equation, balanced] of Object.entries(reference.equations))
      expect(ask(`balance ${equation}`)).toBe(balanced);
  });

  it('finds all that rows send to 0, for random whole numbers', () => {
    const random = randomOf('null space');
    for (let i = 0; i < 300; i++) {
      const [height, width] = [random.int(1, 4), random.int(2, 5)];
      const rows = Array.from({ length: height }, () => Array.from({ length: width }, () => BigInt(random.int(-9, 9))));
      const basis = nullSpace(rows);
      for (const vector of basis) {
        for (const row of rows) expect(row.reduce((sum, value, k) => sum + value * vector[k]!, 0n)).toBe(0n);
      }
      expect(basis.length).toBe(width - rankOf(rows));
    }
  });

  /** By another way: floats with full pivoting; the numbers are small. */
  function rankOf(rows: readonly (readonly bigint[])[]): number {
    const left = rows.map((row) => row.map(Number));
    let rank = 0;
    const used = new Set<number>();
    for (;;) {
      let best = { value: 1e-9, row: -1, column: -1 };
      left.forEach((row, i) => {
        if (!used.has(i))
          row.forEach((value, k) => {
            if (Math.abs(value) > best.value) best = { value: Math.abs(value), row: i, column: k };
          });
      });
      if (best.row < 0) return rank;
      used.add(best.row);
      rank += 1;
      left.forEach((row, i) => {
        if (used.has(i)) return;
        const factor = row[best.column]! / left[best.row]![best.column]!;
        for (let k = 0; k < row.length; k++) row[k]! -= factor * left[best.row]![k]!;
      });
    }
  }
});

describe('names', () => {
  const neutral = (formula: string) => parseFormula(formula, isElement).charge === 0;

  it('and formulas of all salts of the tables lead to each other', () => {
    let salts = 0;
    const anions = [
      ...POLYATOMIC.map(([, charge, name]) => ({ charge, name })),
      ...MONATOMIC.map(([, charge, stem]) => ({ charge, name: `${stem}ide` })),
    ];
    const metals = [
      ...Object.entries(FIXED_CHARGE).map(([symbol, charge]) => [symbol, [charge], false] as const),
      ...Object.entries(VARIABLE_CHARGE).map(([symbol, charges]) => [symbol, charges, true] as const),
    ];
    for (const [symbol, charges, several] of metals) {
      const metal = ask(`element ${symbol}`).split(/[:,] /)[1]!.toLowerCase();
      for (const charge of charges) {
        for (const anion of anions) {
          if (anion.name === 'carbide' || symbol === 'Hg' || (anion.name === 'peroxide' && several)) continue;
          const name = `${metal}${several ? `(${['', 'I', 'II', 'III', 'IV', 'V', 'VI', 'VII'][charge]})` : ''} ${anion.name}`;
          const formula = formulaOfName(name)!;
          expect(neutral(formula), name).toBe(true);
          // Counted from the formula: as many positive as negative charges.
          const cations = Number(new RegExp(`^${symbol}(\\d*)`).exec(formula)![1] || 1);
          const groups = Number(
            /\)(\d+)$/.exec(formula)?.[1] ??
              (/^[A-Z][a-z]?\d*[A-Z][a-z]?(\d*)$/.test(formula) &&
              MONATOMIC.some(([, , stem]) => `${stem}ide` === anion.name)
                ? /(\d*)$/.exec(formula)![1] || 1
                : 1),
          );
          expect(cations * charge, `${name} ${formula}`).toBe(groups * -anion.charge);
          expect(nameOfFormula(formula).replace(/ \([a-z ]+\)$/, ''), formula).toBe(name);
          salts += 1;
        }
      }
    }
    expect(salts).toBeGreaterThan(2000);
  });

  it('of ions have charges that their electrons and oxidation states allow', () => {
    for (const [formula, charge] of [...POLYATOMIC, ...MONATOMIC]) {
      const protons = [...parseFormula(formula, isElement).atoms].reduce(
        (sum, [symbol, n]) => sum + numberOf(symbol)! * n,
        0,
      );
      // All anions of the tables have their electrons in pairs.
      expect((protons - charge) % 2, formula).toBe(0);
    }
    for (const [symbol, charge] of Object.entries(FIXED_CHARGE))
      expect(reference.oxidationStates[symbol], symbol).toContain(charge);
    for (const [symbol, charges] of Object.entries(VARIABLE_CHARGE)) {
      for (const charge of charges) expect(reference.oxidationStates[symbol], symbol).toContain(charge);
    }
  });

  it.each([
    ['N2O4', 'dinitrogen tetroxide'],
    ['CO', 'carbon monoxide'],
    ['CO2', 'carbon dioxide'],
    ['PCl5', 'phosphorus pentachloride'],
    ['SF6', 'sulfur hexafluoride'],
    ['P4O10', 'tetraphosphorus decoxide'],
    ['AlBr3', 'aluminium bromide'],
    ['Fe2O3', 'iron(III) oxide'],
    ['PbO2', 'lead(IV) oxide'],
    ['Hg2Cl2', 'mercury(I) chloride'],
    ['HgCl2', 'mercury(II) chloride'],
    ['SiC', 'silicon carbide'],
    ['K2CrO4', 'potassium chromate'],
    ['Ag2O', 'silver oxide'],
    ['CuSO4·5H2O', 'copper(II) sulfate pentahydrate'],
    ['(NH4)2SO4', 'ammonium sulfate'],
    ['HClO4', 'perchloric acid'],
    ['ClO4-', 'perchlorate ion'],
    ['Fe3+', 'iron(III) ion'],
    ['NO', 'nitrogen monoxide (nitric oxide)'],
    ['HCl', 'hydrogen chloride (in water hydrochloric acid)'],
  ])('%s is %s', (formula, name) => {
    expect(nameOfFormula(formula)).toBe(name);
    if (!/ion|\(in|\(n/.test(name)) expect(formulaOfName(name)).toBe(formula);
  });

  it('of common substances are formulas that can be read', () => {
    for (const [name, formula] of COMMON) expect(ask(`mass ${name}`), name).toContain(`${formula}: `);
  });
});

describe('oxidation numbers', () => {
  it.each([
    ['S in H2SO4', 'S +6'],
    ['Cr in K2Cr2O7', 'Cr +6'],
    ['Mn in KMnO4', 'Mn +7'],
    ['Cl in ClO4-', 'Cl +7'],
    ['N in NO3-', 'N +5'],
    ['O in H2O2', 'O -1'],
    ['O in OF2', 'O +2'],
    ['O in KO2', 'O -0.5 (mean)'],
    ['H in NaH', 'H -1'],
    ['Fe in Fe(NO3)3', 'Fe +3'],
    ['Cu in CuS', 'Cu +2'],
    ['S in S2O3^2-', 'S +2 (mean)'],
    ['C in CO2', 'C +4'],
    ['C in C2H6', 'C -3 (mean)'],
    ['Fe in K4[Fe(CN)6]', 'Fe +2'],
    ['Co in [Co(NH3)6]3+', 'Co +3'],
    ['Ni in Ni(CO)4', 'Ni 0'],
    ['N in NH4+', 'N -3'],
    ['P in H3PO4', 'P +5'],
    ['Al in Al3+', 'Al +3'],
    ['O in O2', 'O 0'],
    ['Cr in (NH4)2Cr2O7', 'Cr +6'],
    ['N in (NH4)2SO4', 'N -3'],
    ['Cr in [Cr(OH)6]3-', 'Cr +3'],
  ])('%s', (question, answer) => {
    expect(ask(`oxidation number of ${question}`)).toMatch(
      new RegExp(`oxidation number ${answer.replace(/[+()]/g, '\\$&')}$`),
    );
  });
});

describe('shapes', () => {
  it.each([
    ['BeCl2', 'linear'],
    ['CO2', 'linear'],
    ['BF3', 'trigonal planar'],
    ['SO2', 'bent'],
    ['H2O', 'bent'],
    ['CBr4', 'tetrahedral'],
    ['NH3', 'trigonal pyramidal'],
    ['NH4+', 'tetrahedral'],
    ['SO4^2-', 'tetrahedral'],
    ['NO3-', 'trigonal planar'],
    ['SO3^2-', 'trigonal pyramidal'],
    ['PCl5', 'trigonal bipyramidal'],
    ['SF4', 'seesaw'],
    ['ClF3', 'T-shaped'],
    ['XeF2', 'linear'],
    ['SF6', 'octahedral'],
    ['BrF5', 'square pyramidal'],
    ['XeF4', 'square planar'],
    ['H3O+', 'trigonal pyramidal'],
    ['HCN', 'linear'],
    ['KrF2', 'linear'],
    ['SeF4', 'seesaw'],
    ['SiCl4', 'tetrahedral'],
    ['AsH3', 'trigonal pyramidal'],
    ['SbCl5', 'trigonal bipyramidal'],
    ['TeF6', 'octahedral'],
    ['ICl4-', 'square planar'],
    ['IF7', 'pentagonal bipyramidal'],
  ])('%s is %s', (formula, shape) => {
    expect(ask(`molecular geometry of ${formula}`)).toContain(`${formula}: ${shape} (`);
  });
});

describe('electrons', () => {
  it.each([
    ['Fe', '[Ar] 3d6 4s2'],
    ['Fe3+', '[Ar] 3d5'],
    ['Cu', '[Ar] 3d10 4s1'],
    ['Cu2+', '[Ar] 3d9'],
    ['Cl-', '[Ne] 3s2 3p6'],
    ['O', '[He] 2s2 2p4'],
    ['Gd', '[Xe] 4f7 5d1 6s2'],
    ['Pb2+', '[Xe] 4f14 5d10 6s2'],
  ])('%s has %s', (symbol, shells) => {
    expect(ask(`electron configuration of ${symbol}`)).toContain(`: ${shells} = 1s2`);
  });

  const shellsOf = (shells: string) => shells.split(' ').sort().join(' ');

  it('of every atom are those of mendeleev, and as many as its number', () => {
    reference.configurations.forEach((configuration, i) => {
      const answer = ask(`electron configuration of ${symbolOf(i + 1)}`);
      const full = /(?:= |: )((?:\d[spdf]\d+ ?)+)$/.exec(answer)![1]!;
      expect([...full.matchAll(/[spdf](\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)).toBe(i + 1);
      // From 109 on nobody has measured one.
      if (i < 108) expect(shellsOf(full), symbolOf(i + 1)).toBe(shellsOf(configuration));
    });
  });

  it('and what they explain: ionization energies and electronegativities are those of mendeleev', () => {
    for (const [i, eV] of reference.ionization.entries()) {
      if (eV === null) continue;
      const [, shown, molar] = /energy ([\d.]+) eV = ([\d.]+) kJ/.exec(ask(`ionization energy of ${symbolOf(i + 1)}`))!;
      expect(Math.abs(Number(shown) / eV - 1), symbolOf(i + 1)).toBeLessThan(1e-4);
      // e times Avogadro's number, in kJ.
      expect(Number(molar)).toBeCloseTo((Number(shown) * 1.602176634e-19 * 6.02214076e23) / 1000, 0);
    }
    for (const [i, value] of reference.electronegativity.entries()) {
      if (value !== null)
        expect(ask(`electronegativity of ${symbolOf(i + 1)}`)).toContain(`electronegativity ${value} (`);
    }
  });

  it('half-lives are those of mendeleev', () => {
    const seconds = { s: 1, min: 60, h: 3600, d: 86400, y: 31556925.2 } as const;
    expect(Object.keys(reference.halfLives).length).toBeGreaterThan(60);
    for (const [nuclide, expected] of Object.entries(reference.halfLives)) {
      const [, value, unit] = /half-life (\S+) (\w+)/.exec(ask(`half-life of ${nuclide}`))!;
      expect(Math.abs((Number(value) * seconds[unit as keyof typeof seconds]) / expected - 1), nuclide).toBeLessThan(
        2e-3,
      );
    }
  });
});

describe('solutions and gases', () => {
  const pH = (text: string): number => Number(/pH = (-?[\d.]+)/.exec(text)![1]);

  it('strong and weak acids and bases, from 1e-9 to 1 M', () => {
    for (let log = -9; log <= 0; log += 0.75) {
      const c = Number((10 ** log).toPrecision(4));
      // Charge balance with water: h² - c h - Kw = 0.
      const strong = (c + Math.sqrt(c * c + 4e-14)) / 2;
      expect(pH(ask(`pH of ${c} M HCl`))).toBeCloseTo(-Math.log10(strong), 2);
      expect(pH(ask(`pH of ${c} M NaOH`))).toBeCloseTo(14 + Math.log10(strong), 2);
      if (log < -4) continue;
      // Where water's own ions do not count, the quadratic.
      const weak = (-1.8e-5 + Math.sqrt(1.8e-5 ** 2 + 4 * 1.8e-5 * c)) / 2;
      expect(pH(ask(`pH of ${c} M CH3COOH, Ka = 1.8 × 10^-5`))).toBeCloseTo(-Math.log10(weak), 2);
      expect(pH(ask(`pH of ${c} M NH3, Kb = 1.8e-5`))).toBeCloseTo(14 + Math.log10(weak), 2);
    }
  });

  it('units of pressure and volume are what their definitions say', () => {
    const pascal = { atm: 101325, kPa: 1e3, Pa: 1, bar: 1e5, mbar: 100, mmHg: 133.322, torr: 101325 / 760 };
    const litres = { L: 1, mL: 1e-3, 'cm^3': 1e-3, 'm^3': 1e3, 'dm^3': 1 };
    const answered = (text: string) => Number(/= ([-\d.e]+)/.exec(ask(text))![1]);
    for (const [unit, pressure] of Object.entries(pascal)) {
      const expected = pressure / 101325;
      expect(answered(`P1 = 1000 ${unit}, V1 = 1 L, P2 = 1 atm`) / (1000 * expected), unit).toBeCloseTo(1, 4);
      expect(answered(`1000 ${unit} and 1 L at 300 K: moles`) / ((1000 * expected) / (0.082057366 * 300))).toBeCloseTo(
        1,
        4,
      );
    }
    for (const [unit, volume] of Object.entries(litres))
      expect(answered(`P1 = 1 atm, V1 = 1 ${unit}, P2 = 1 atm`), unit).toBeCloseTo(volume, 9);
  });

  it.each([
    ['pH 0.0050 M Ca(OH)2', /pH = 12\.00/],
    ['[H+] at pH 6.0', /\[H\+\] = 1e-6 M/],
    ['pH of 0.02 M Sr(OH)2', /pH = 12\.602, .* basic \(/],
    ['pH of 0.02 M Ba(OH)2', /pH = 12\.602/],
    ['pH of 0.1 M HCl', /acidic \(/],
    ['pH of buffer 0.2 M NH3 and 0.3 M NH4Cl, Kb = 1.8e-5', /= 9\.08$/],
    ['pH of a buffer with 0.1 M NaH2PO4 and 0.2 M Na2HPO4, pKa = 7.21', /\[Na2HPO4\]\/\[NaH2PO4\].*= 7\.51$/],
    ['pH of 0.1 M NaHSO4, Ka = 0.012', /^weak acid NaHSO4, pH = 1\.535/],
    ['pH of 0.1 M CH3COOK, Ka = 1.8e-5', /^weak base/],
    ['pH of 0.1 M (CH3)2NH2Cl, Kb = 5.4e-4', /^weak acid .* pH = 5\.865/],
    ['pH of 0.15 M NH_3, K_b = 1.8 × 10^{-5}', /pH = 11\.213/],
    ['pOH when [OH^-] = 2.5 \\times 10^{-4} M', /pOH = 3\.602/],
    ['pH of a buffer with 0.1 M HA and 0.2 M A-, pKa = 4.76', /= 5\.06$/],
    ['pH of 0.1 M CH3COONa, Ka = 1.8e-5', /^weak base CH3COONa, Kb = 5\.55556e-10, pH = 8\.872/],
    ['ideal gas P = 1 atm, V = 22.4 L, T = 273.15 K', /0\.999377 mol/],
    ['PV=nRT: n = 2 mol, T = 25 °C, V = 10 L, P = ?', /4\.89308 atm/],
    ['P1 = 1 atm, V1 = 2 L, P2 = 3 atm, V2 = ?', /^V2 = 0\.666667 L \(T constant\)/],
    ['V1 = 1 L, T1 = 0 °C, T2 = 273.15 °C', /^V2 = 2 L/],
    ['P = 2 atm, V = 10 L, n = 0.5 mol', /^T = PV\/\(nR\) = 487\.464 K = 214\.314 °C$/],
    ['0.25 mol of gas at 300K in 5 L: pressure in atm', /^P = nRT\/V = 1\.23086 atm/],
    ['volume of 3.5 mol O2 at STP', /^V = nRT\/P = 78\.4489 L \(STP: 0 °C and 1 atm\)$/],
    ['volume of 8 g of oxygen at 1 atm and 25 °C', /^V = nRT\/P = 6\.11673/],
    ['density of NH3 at 67.2 °C and 0.96 atm', /= 0\.585\d* g\/L$/],
    ['molar mass of gas: mass = 0.134 g, V = 0.0532 L, T = 98 °C, P = 737 mmHg', /^M = mRT\/\(PV\) = 79\.1/],
    ['molar mass of a gas with density 1.25 g/L at STP', /= 28\.0\d+ g\/mol/],
    ['M1 = 12.0 M, M2 = 4.0 M, V2 = 100. mL', /33\.3333 mL/],
    ['moles in 18.015 g of water', /1 mol/],
    ['number of molecules in 2 mol CO2', /1\.20443e\+24/],
    ['percent of O in H2O', /88\.81 %/],
    ['percent of H in H2O', /11\.19 %/],
    ['moles in 18.015 mg of water', /0\.001 mol/],
    ['electrons in Fe-56 3+', /23 electrons$/],
    ['Li++ electrons', /1 electrons$/],
    ['How many moles of Na2CO3 are in 132 g?', /1\.24542 mol/],
    ['number of atoms in 2.0 g of He', /3\.00911e\+23/],
    ['element with atomic number 47', /^Ag: /],
    ['mass of a neutron', /^neutron: 1\.00866/],
    ['molar mass of H2 and N2', /^H2: 2\.016 g\/mol; N2: 28\.014 g\/mol$/],
    ['hybridization of C in CO2', /linear, sp\)$/],
    ['chemistry("mass H2O")', /^H2O: 18\.015/],
    ['mass Ca(NO3)2·4H2O', /236\.146/],
    [
      'balance MnO4- + Fe2+ -> Mn2+ + Fe3+ in acidic solution',
      /^MnO4- \+ 5 Fe2\+ \+ 8 H\+ -> Mn2\+ \+ 5 Fe3\+ \+ 4 H2O$/,
    ],
    ['half-reaction Cr2O7^2- -> Cr3+ in acidic solution', /^Cr2O7\^2- \+ 14 H\+ \+ 6 e- -> 2 Cr3\+ \+ 7 H2O$/],
    [
      'balance MnO4^- + I^- -> MnO2 + I2 in basic solution',
      /^2 MnO4\^- \+ 6 I\^- \+ 4 H2O -> 2 MnO2 \+ 3 I2 \+ 8 OH-$/,
    ],
    ['oxidation number of chlorine in the perchlorate ion', /ClO4\^- \(charge -1\): oxidation number Cl \+7$/],
    ['CaCO3 = CaO + CO2', /^CaCO3 -> CaO \+ CO2$/],
    ['4NH3 + 5O2 -> 4NO + 6H2O', /\(balanced as given\)$/],
    ['\\ce{C3H8 + O2 -> CO2 + H2O}', /^C3H8 \+ 5 O2 -> 3 CO2 \+ 4 H2O$/],
    ['What is the molar mass of glucose?', /^glucose = C6H12O6: 180\.156/],
    ['molar mass of oxygen', /atom O 15\.999 g\/mol, molecule O2 31\.998/],
  ])('%s', (input, answer) => {
    expect(ask(input)).toMatch(answer);
  });

  it.each([
    ['pH of 0.1 M HCl at 37 C', /cannot read "37 C"/],
    ['pH of 0.1 M H2SO4', /books differ/],
    ['pH of 0.1 M acetic acid', /give its Ka/],
    ['pH of 0.1 M HCl and 0.1 M NaOH, pKa = 4', /no part of a buffer/],
    ['pH of 0.1 M HF and 0.1 M NaCN, pKa = 3.2', /is the acid of the other/],
    ['pH of 0.1 M CH3COOH and 0.1 M HF, pKa = 4.76', /is the acid of the other/],
    ['pH of buffer 0.1 M H3PO4 and 0.1 M Na2HPO4, pKa = 7.21', /is the acid of the other/],
    ['pH of 0.1 M NaHCO3, Ka = 4.3e-7', /can give and take/],
    ['pH of 0.1 M Ca(CH3COO)2, Ka = 1.8e-5', /several ions/],
    ['geometry of CH3NH2', /N around C/],
    ['shape of SiO2', /solid of atoms/],
    ['hybridization of O in CO2', /not the atom in the middle/],
    ['volume of 2 mol O2 at STP and 300 K', /STP beside/],
    ['density of NH3 at STP in 2 L', /no more/],
    ['pressure of 2 mol in 3 L at 300 K and 1 atm', /P is asked and given/],
    ['name SiC2', /no rule here/],
    ['mass of H^200+', /more than its 1 electrons/],
    ['smiles [400U]', /no isotope 400/],
    ['mass of C-100', /no isotope 100/],
    ['P = 1 atm, V = 2 L, T = 300', /T needs a unit/],
    ['Fe -> Cu', /Fe, Cu on one side only/],
    ['KClO3 + HCl -> KCl + Cl2 + ClO2 + H2O', /more than one way/],
    ['H2 + Cl2 -> HCl + NaCl', /NaCl takes no part/],
    ['oxidation number of N in NH4NO3', /two oxidation numbers/],
    ['oxidation number of Fe in Fe3O4', /several oxidation numbers/],
    ['formula of iron oxide', /iron\(II\) or iron\(III\)/],
    ['name C6H12O6', /no rule here names/],
    ['mass 14C', /nuclide C-14 or 14 atoms/],
    ['mass of 6C12', /nuclide C-12 or 6 C12/],
    ['NaCl HCl', /cannot read/],
    ['CCO', /looks like SMILES/],
    ['methane CO2', /methane is CH4, not CO2/],
    ['density of water', /cannot read/],
    ['neutrons in uranium', /mass number/],
  ])('refuses %s', (input, message) => {
    expect(() => ask(input)).toThrow(message);
  });
});
