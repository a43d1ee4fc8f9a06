/** Sentences of a text; also where passages are cut. */

const ABBREVIATION =
  /\b(?:[A-Z]|e\.g|i\.e|cf|vs|etc|Dr|Mr|Mrs|Ms|St|Prof|No|Fig|Vol|pp?|ca|approx|Jr|Sr|Inc|Ltd|Co)\.$/;

/** Paragraphs end sentences, too. Together they are the text, but for the spaces between them. */
export function sentences(text: string): string[] {
  const parts: string[] = [];
  for (const paragraph of text.split(/\n+/)) {
    let begun = '';
    for (const piece of paragraph.split(/(?<=[.!?;]["')\]]?)\s+/u)) {
      begun = begun === '' ? piece : `${begun} ${piece}`;
      if (ABBREVIATION.test(begun.slice(-8))) continue;
      if (begun.trim() !== '') parts.push(begun.trim());
      begun = '';
    }
    if (begun.trim() !== '') parts.push(begun.trim());
  }
  return parts;
}
