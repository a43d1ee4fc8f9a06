/** CODATA 2018, and what the chemistry of water takes as strong. */

/** J/(mol K). */
export const GAS_CONSTANT = 8.314462618;
/** L atm/(mol K). */
export const GAS_CONSTANT_ATM = 0.082057366;
/** C/mol. */
export const FARADAY = 96485.33212;

/** Acids of one proton that give it all away, with their anions. */
export const STRONG_ACIDS: Readonly<Record<string, string>> = {
  ...{ HCl: 'Cl', HBr: 'Br', HI: 'I', HNO3: 'NO3', HClO4: 'ClO4', HClO3: 'ClO3' },
};
