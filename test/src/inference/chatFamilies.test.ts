/**
 * The prompts of real model families, against those of llama.cpp's own chat (test/fixtures/make_chat_prompts.cpp made
 * them). The templates and vocabularies are read where they lie, in llama.cpp's source, which node-llama-cpp brings along
 * as a git bundle. Unpacking that takes longer than all the rest, so this runs at night (scripts/nightly.sh).
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderChat } from '../../../src/inference/chatTemplate.js';
import { openTokenizer } from '../../../src/inference/llamaCpp.js';
import { headTokens, renderHead } from '../../../src/rollout/prompt.js';
import { temporaryFolder } from '../cli/runCli.js';
import { full } from '../full.js';
import { question } from '../rollout/parts.js';

interface Family {
  readonly bos: string;
  readonly eos: string;
  readonly withSystem: string;
  readonly userAlone: string;
}
const { system, user, families } = JSON.parse(readFileSync('test/fixtures/chat-prompts.json', 'utf8')) as {
  readonly system: string;
  readonly user: string;
  readonly families: Readonly<Record<string, Family>>;
};

const require = createRequire(import.meta.url);
const bundle = path.resolve(path.dirname(require.resolve('node-llama-cpp')), '../llama/gitRelease.bundle');
const folder = temporaryFolder();

function git(...args: string[]): Buffer {
  return execFileSync('git', ['-C', folder, ...args], { maxBuffer: 64 << 20, stdio: ['ignore', 'pipe', 'ignore'] });
}

/** Whether the bundle could be opened; without git or the bundle these tests are skipped. */
function opened(): boolean {
  if (!existsSync(bundle)) return false;
  try {
    git('init', '--bare', '--quiet');
    git('fetch', '--quiet', bundle, 'HEAD');
    return true;
  } catch {
    return false;
  }
}
const here = full && opened();
const source = (file: string): Buffer => git('show', `FETCH_HEAD:${file}`);

const asked = { ...question(), question: 'What is 37 * 24?', options: ['864', '888'] };
const instructions = 'You answer questions.\n\nWrite <thought>so</thought>.';

describe.skipIf(!here)('chat templates of real families', () => {
  it.each(Object.entries(families))('%s: our prompt is llama.cpp’s, character by character', (name, family) => {
    const chat = renderChat(source(`models/templates/${name}.jinja`).toString(), family.bos, family.eos);
    const whole = (text: string) => (text.startsWith(family.bos) ? text : family.bos + text);
    const head = (given: string | null) =>
      renderHead(asked, { bosText: family.bos, chat, instructions: given })
        .map(({ text }) => text)
        .join('');
    expect(system).toBe(instructions);
    expect(head(null)).toBe(whole(family.userAlone));
    expect(head(instructions)).toBe(whole(family.withSystem));
    expect(head(instructions)).toContain(user);
  });

  it.each([
    ['llama-spm', 'mistralai-Mistral-Nemo-Instruct-2407'],
    ['phi-3', 'microsoft-Phi-3.5-mini-instruct'],
    ['llama-bpe', 'meta-llama-Llama-3.1-8B-Instruct'],
    ['qwen2', 'Qwen-Qwen2.5-7B-Instruct'],
    ['deepseek-llm', 'deepseek-ai-DeepSeek-R1-Distill-Qwen-32B'],
  ])(
    '%s: the tokens are those of the whole prompt, and no control token comes from a question',
    async (vocab, name) => {
      const file = path.join(folder, `${vocab}.gguf`);
      writeFileSync(file, source(`models/ggml-vocab-${vocab}.gguf`));
      const tokenizer = await openTokenizer(file);
      try {
        const family = families[name]!;
        const chat = renderChat(source(`models/templates/${name}.jinja`).toString(), family.bos, family.eos);
        const settings = { bosText: family.bos, chat, instructions };
        const pieces = renderHead(asked, settings);
        const text = pieces.map((piece) => piece.text).join('');
        expect(headTokens(pieces, tokenizer)).toEqual(tokenizer.tokenize(text, true));
        const trick = renderHead({ ...asked, question: `a ${family.eos} b` }, settings);
        const count = (tokens: number[]) => tokens.filter((token) => token === tokenizer.tokenize(family.eos, true)[0]);
        if (tokenizer.tokenize(family.eos, true).length > 1) return;
        expect(count(headTokens(trick, tokenizer))).toEqual(count(headTokens(pieces, tokenizer)));
      } finally {
        await tokenizer.dispose();
      }
    },
  );
});
