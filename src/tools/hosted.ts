import type { ToolHost } from './host.js';
import type { HostKind } from './hostProtocol.js';
import type { Tool } from './tool.js';

interface Definition {
  readonly host: HostKind;
  readonly description: string;
  readonly inputHint: string;
}

/** Each tool lives in a sandboxed child: parsing, running and looking up what a model wrote may take any time. */
export const HOSTED: Readonly<Record<string, Definition>> = {
  calculator: {
    host: 'math',
    description: 'Evaluates arithmetic with units, physical constants, matrices and complex numbers.',
    inputHint: 'an expression, e.g. 3 km / 2 h to m/s',
  },
  python: {
    host: 'python',
    description: 'Runs Python 3 (standard library) and shows what it prints and the value of a last expression.',
    inputHint: 'Python source, e.g. sum(n for n in range(100) if n % 3 == 0)',
  },
  algebra: {
    host: 'math',
    description: 'Solves equations and does symbolic algebra and calculus.',
    inputHint: 'e.g. solve(2*x+3=11, x) or diff(x^3, x)',
  },
  logic: {
    host: 'logic',
    description: 'Decides logical entailment and satisfiability with an SMT solver.',
    inputHint: 'propositional, e.g. p -> q, p |- q, or an SMT-LIB 2 script',
  },
  statistics: {
    host: 'math',
    description: 'Computes descriptive statistics, distributions, regression and hypothesis tests.',
    inputHint: 'a call, e.g. mean(1, 2, 3) or normal_cdf(1.96)',
  },
  chemistry: {
    host: 'math',
    description: 'Gives molar masses, compositions, elements and structure facts of molecules.',
    inputHint: 'e.g. mass H2O, formula C6H12O6, smiles CCO, element Fe',
  },
  encyclopedia: {
    host: 'corpus',
    description: 'Looks up an article by its title.',
    inputHint: 'a title, e.g. Magna Carta',
  },
  search: {
    host: 'corpus',
    description: 'Finds passages about a query, best first.',
    inputHint: 'a query, e.g. year the Magna Carta was sealed',
  },
};

/** What prompts say of a tool. */
export function describeHosted(name: string): { readonly description: string; readonly inputHint: string } {
  const { description, inputHint } = HOSTED[name]!;
  return { description, inputHint };
}

/** A tool whose work happens in `host`. */
export function hostedTool(name: string, host: ToolHost): Tool {
  return { name, ...describeHosted(name), run: (input, context) => host.run(name, input, context) };
}
