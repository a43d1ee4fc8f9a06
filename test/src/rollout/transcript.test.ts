import { describe, expect, it } from 'vitest';
import type { Generator, GeneratorSequence } from '../../../src/inference/generator.js';
import { Transcript } from '../../../src/rollout/transcript.js';

/** Writes the given tokens; a token is its text. Byte-pair vocabularies have `><` as one. */
function scripted(written: readonly string[]) {
  const texts: string[] = [];
  const idOf = (text: string) => texts.push(text) - 1;
  const held: number[] = [];
  const generator = {
    tokenize: (text: string) => [idOf(text)],
    detokenize: (tokens: readonly number[]) => tokens.map((token) => texts[token]).join(''),
  } as unknown as Generator;
  const sequence = {
    tokens: held,
    append: (tokens: readonly number[]) => held.push(...tokens),
    generate: async () => {
      const tokens = written.map(idOf);
      held.push(...tokens);
      return { tokens, text: 'Well.', finish: 'stop' };
    },
    choose: async (options: readonly (readonly number[])[]) => {
      held.push(...options[0]!);
      return 0;
    },
  } as unknown as GeneratorSequence;
  return { transcript: new Transcript(generator, sequence), text: () => generator.detokenize(held) };
}

const drawn = { temperature: 0, seed: 1 };
const options = { ...drawn, stop: ['</thought>'], maxTokens: 9 };

describe('Transcript', () => {
  it('goes on where a token wrote the beginning of our next tag, instead of writing it twice', async () => {
    const { transcript, text } = scripted(['Well', '.', '</thought', '><']);
    await transcript.generate('thought', 0, options);
    transcript.template('<action>', 0);
    transcript.template('<input>', 0);
    expect(text()).toBe('Well.</thought><action><input>');
    const opened = scripted(['Well', '.', '</thought', '><']);
    await opened.transcript.generate('input', 0, options);
    await opened.transcript.chooseOpening(1, true, drawn);
    opened.transcript.template('<action>', 1);
    expect(opened.text()).toBe('Well.</thought><thought><action>');
  });

  it('leaves other text behind a stop as it is', async () => {
    for (const after of ['>', '>\n', '> ']) {
      const { transcript, text } = scripted(['Well', '.', '</thought', after]);
      await transcript.generate('thought', 0, options);
      transcript.template('<action>', 0);
      expect(text()).toBe(`Well.</thought${after}<action>`);
    }
  });
});
