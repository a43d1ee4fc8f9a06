/** The actions of the paper's own rollouts, as instructions describe them. Their names are its authors'. */
import type { ActionInfo } from './tool.js';

const KNOWN: Readonly<Record<string, readonly [description: string, inputHint: string]>> = {
  calculator: ['Computes an arithmetic expression.', 'an expression, e.g. 37 * 24'],
  cot: ['Thinks on without a tool.', ''],
  python_repl: ['Runs Python code and shows what it prints.', 'Python code, e.g. print(sum(range(10)))'],
  search: ['Searches the web.', 'what to look for'],
  semantic_scholar: ['Searches scientific papers.', 'what to look for'],
  static_kb: ['Looks into a fixed collection of facts.', 'what to look for'],
  wikipedia: ['Looks up a Wikipedia article.', 'the name of an article'],
};

/** Each described by the run's own tool of that name, else by what the paper says of it, else by its name alone. */
export function sparkActions(names: readonly string[], own: readonly ActionInfo[]): ActionInfo[] {
  return names.map((name) => {
    const found = own.find((one) => one.name === name);
    if (found !== undefined) return found;
    const [description, inputHint] = KNOWN[name] ?? [`The tool ${name}.`, ''];
    return { name, description, inputHint };
  });
}
