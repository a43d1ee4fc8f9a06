/** llama.cpp's rules for a vocabulary. When one of them is broken, that all token texts differ, it ends the process. */
import type { GgufValue } from './ggufHeader.js';

const BYTE_TOKEN = 6;

/** What is wrong with the vocabulary, or null. */
export function vocabularyProblem(metadata: ReadonlyMap<string, GgufValue>): string | null {
  const tokens = metadata.get('tokenizer.ggml.tokens');
  if (!Array.isArray(tokens) || tokens.length === 0 || typeof tokens[0] !== 'string') {
    return 'tokenizer.ggml.tokens is missing: a model without its vocabulary';
  }
  const model = metadata.get('tokenizer.ggml.model');
  if (model === 'none' || model === 'no_vocab') return `tokenizer.ggml.model is ${model}: a model without a vocabulary`;
  const texts = tokens.map(textOf);
  const different = new Set(texts).size;
  if (different < texts.length) return `${texts.length - different} token texts occur twice`;
  for (const name of ['token_type', 'scores']) {
    const list = metadata.get(`tokenizer.ggml.${name}`);
    if (Array.isArray(list) && list.length < tokens.length) {
      return `expected ${tokens.length} entries in tokenizer.ggml.${name}, got ${list.length}`;
    }
  }
  const types = metadata.get('tokenizer.ggml.token_type');
  if (!Array.isArray(types)) return null;
  const short = texts.findIndex((text, index) => types[index] === BYTE_TOKEN && text.length < 3);
  return short < 0 ? null : `expected byte token ${short} to be spelt like <0x0A>`;
}

/** A token's text as C sees it, up to the first zero byte. llama.cpp names an empty token, so several may be empty. */
function textOf(token: string, index: number): string {
  const zero = token.indexOf('\0');
  const text = zero < 0 ? token : token.slice(0, zero);
  return text === '' ? `[EMPTY_${index}]` : text;
}
