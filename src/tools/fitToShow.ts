import { redactKnown } from '../secrets/redact.js';
import { clip, printable } from './observation.js';

/** What a tool answered as it may be shown and kept: secrets are hidden before the cut, which could leave a piece of one. */
export function fitToShow(text: string, max: number): string {
  return clip(printable(redactKnown(text)), max);
}
