/**
 * Verifier `exact`: the same words. Compared are both texts in Unicode's form NFC, without what wraps them (answerText.ts),
 * with single spaces, without a dot at the end, and in lower case unless `ignoreCase` is false. Not NFKC, under which 10² is 102.
 */
import { unwrapped } from './answerText.js';

/** A text in the form in which texts are compared. */
export function normalized(text: string, ignoreCase: boolean): string {
  const plain = unwrapped(text.normalize('NFC').replace(/\s+/g, ' '));
  return ignoreCase ? plain.toLowerCase() : plain;
}
