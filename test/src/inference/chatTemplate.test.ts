import { describe, expect, it } from 'vitest';
import { renderChat } from '../../../src/inference/chatTemplate.js';
import { renderHead } from '../../../src/rollout/prompt.js';
import { question } from '../rollout/parts.js';

/** How the chat templates of Llama 3.1 and later models get the date. */
const DATED = `{%- if not date_string is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- endif %}{{- bos_token }}
{%- for message in messages %}{{- '[' + message.role + ' ' + date_string + ']' + message.content | trim }}{%- endfor %}{%- if add_generation_prompt %}{{- '[assistant]' }}{%- endif %}`;
const NOW = `{{- bos_token }}{{- strftime_now("%d %b %Y") }}{%- for m in messages %}{{- m.content }}{%- endfor %}`;
const NO_SYSTEM = `{%- for message in messages %}{%- if message.role == 'system' %}{{- raise_exception('no system role') }}{%- endif %}{{- '<' + message.role + '>' + message.content }}{%- endfor %}`;

describe('renderChat', () => {
  it('pins the date, however a template asks for it', () => {
    expect(renderChat(DATED, '<s>', '</s>')('be brief', 'hello')).toBe(
      '<s>[system 26 Jul 2024]be brief[user 26 Jul 2024]hello[assistant]',
    );
    expect(renderChat(NOW, '<s>', '</s>')('', 'hello')).toBe('<s>26 Jul 2024hello');
  });

  it('leaves an empty system message out and puts a missing beginning in', () => {
    expect(renderChat(DATED, '', '')('', 'x')).toBe('[user 26 Jul 2024]x[assistant]');
    expect(renderChat(NO_SYSTEM, '<s>', '')('', 'x')).toBe('<s><user>x');
  });

  it('moves instructions before the question where a template refuses system messages', () => {
    const settings = { bosText: '<s>', chat: renderChat(NO_SYSTEM, '<s>', ''), instructions: 'Do this.' };
    const pieces = renderHead(question(), settings);
    expect(pieces[0]).toEqual({ text: '<s><user>', special: true });
    expect(pieces[1]!.special).toBe(false);
    expect(pieces[1]!.text).toMatch(/^Do this\.\nQuestion:\n/);
  });

  it('says what is wrong with a template it cannot render', () => {
    for (const bad of ['{% if %}', '{{ messages[0].foo() }}', "{{ raise_exception('never') }}"]) {
      expect(() => renderChat(bad, '', '')('', 'x')).toThrow(expect.objectContaining({ code: 'unsupported_file' }));
    }
  });
});
