/** Renders a model's own chat template, with the same result every day. */
import { Template } from '@huggingface/jinja';
import { SparkError } from '../errors.js';

/**
 * Llama 3.1's template writes the date into the prompt. With today's date every cache and every parity check would
 * break at midnight, so the date is always the one that the template itself falls back on.
 */
const PINNED_DATE = '26 Jul 2024';
/** The renderer has its own `strftime_now` and refuses a variable of that name; a macro of that name hides it. */
const PINNED_CLOCK = `{%- macro strftime_now(format) -%}${PINNED_DATE}{%- endmacro -%}`;

interface Message {
  readonly role: 'system' | 'user';
  readonly content: string;
}

/**
 * Renders a prompt that ends with the header of the assistant's turn. An empty `system` means no system message. A
 * template that refuses system messages is rendered without one: `renderHead` then puts the instructions before the
 * question.
 */
export function renderChat(
  template: string,
  bosText: string,
  eosText: string,
): (system: string, user: string) => string {
  const parsed = compile(template);
  const render = (messages: readonly Message[]): string => {
    // As llama.cpp's chat calls it: DeepSeek's template closes `<think>` at once where thinking is not asked for.
    const values = {
      ...{ messages, add_generation_prompt: true, enable_thinking: true },
      ...{ bos_token: bosText, eos_token: eosText, date_string: PINNED_DATE },
    };
    const text = renderWith(parsed, values);
    return bosText !== '' && !text.startsWith(bosText) ? bosText + text : text;
  };
  return (system, user) => {
    const turn: Message = { role: 'user', content: user };
    try {
      if (system !== '') {
        try {
          return render([{ role: 'system', content: system }, turn]);
        } catch {
          // Gemma's template, for one, raises an exception on this role.
        }
      }
      return render([turn]);
    } catch (error) {
      throw unusable(error);
    }
  };
}

/** Some templates go through `tools` without asking whether there are any, which Python and llama.cpp let pass. */
function renderWith(template: Template, values: Record<string, unknown>): string {
  try {
    return template.render(values);
  } catch (error) {
    try {
      return template.render({ ...values, tools: [] });
    } catch {
      throw error;
    }
  }
}

function compile(template: string): Template {
  try {
    return new Template(PINNED_CLOCK + template);
  } catch (error) {
    throw unusable(error);
  }
}

function unusable(error: unknown): SparkError {
  return new SparkError(
    'unsupported_file',
    `expected a chat template this program can render, but the model's fails with: ${(error as Error).message}; ` +
      'use a GGUF with another template, or one without',
    { cause: error },
  );
}
