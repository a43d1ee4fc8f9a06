/** A text out of which a reader takes what it knows; what is left over at the end is refused. */
export class Taking {
  #left: string;

  constructor(text: string) {
    this.#left = text;
  }

  /** The first match, which leaves a `;` behind, so that what stood around it does not run together. */
  take(pattern: string, flags = 'i'): RegExpExecArray | null {
    const match = new RegExp(pattern, flags).exec(this.#left);
    if (match !== null)
      this.#left = `${this.#left.slice(0, match.index)} ; ${this.#left.slice(match.index + match[0].length)}`;
    return match;
  }

  all(pattern: string, flags = 'i'): RegExpExecArray[] {
    const found: RegExpExecArray[] = [];
    for (let one = this.take(pattern, flags); one !== null; one = this.take(pattern, flags)) found.push(one);
    return found;
  }

  /** All that match, which stay where they are. */
  found(pattern: string, flags = 'i'): string[] {
    return [...this.#left.matchAll(new RegExp(pattern, `${flags}g`))].map(([one]) => one);
  }

  has(pattern: string, flags = 'i'): boolean {
    return new RegExp(pattern, flags).test(this.#left);
  }

  /** Without the words of `filler`, which say nothing more. */
  rest(filler: RegExp): string {
    return this.#left
      .replace(filler, ' ')
      .replace(/[\s;,:.?!()=]+/g, ' ')
      .trim();
  }
}

/** Between the name of a quantity and its value. A number must begin there: `k2` alone is no k of 2. */
export const IS = String.raw`\s*(?:=|≈|\bof\b|\bis\b|\bwas\b|:)?\s*(?=[-−.\d])`;

/** A concentration's unit. */
export const MOLAR = String.raw`\s*(?:M|mol\s*\/\s*(?:L|l|dm\^?3)|mol\s*(?:·|\*)?\s*(?:L|dm)\^?-[13]|moles?\s+per\s+lit(?:er|re)|molar(?!\s+(?:mass|weight|solubility|volume)))(?![A-Za-z\d^/])`;
