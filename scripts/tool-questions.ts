/**
 * The yardstick of the tools: real questions where one call of a tool helps, and inputs as a language model writes them.
 *
 *   npx vite-node scripts/tool-questions.ts -- choose TOOL [--seed 1] [--from 0] [--count 30]
 *   npx vite-node scripts/tool-questions.ts -- run [TOOL …] [--corpus FILE] [--python PROGRAM] [--json]
 *
 * `choose` lists the questions that the tool's rule takes (scripts/tool-rules.ts), in the order of the seed. `run` asks the
 * tools all inputs of test/fixtures/tool-questions.json, with the registry and the limits of rollouts, and counts right,
 * silently wrong (`ok: true` and not right) and errors; every miss is printed. `--python`: in that interpreter, sandboxed. It needs no questions' text, `choose` does:
 * ../shared or $SPARK_SHARED.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { commit, describeMachine } from '../bench/harness/machine.js';
import { resolveConfig } from '../src/config/index.js';
import { loadQuestions } from '../src/questions/load.js';
import { BUILTIN_TOOLS, builtinTool } from '../src/tools/builtin.js';
import { createBuiltinRegistry } from '../src/tools/registry.js';
import { readToolFixture, showsRight } from './tool-rights.js';
import { orderFor, type ToolName } from './tool-rules.js';

const argv = process.argv.slice(2).filter((arg) => arg !== '--');
const { values: flags, positionals } = parseArgs({
  args: argv,
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    count: { type: 'string', default: '30' },
    corpus: { type: 'string' },
    python: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const [command, ...names] = positionals;
if (command === 'choose' && names.length === 1) await choose(toolNamed(names[0]!));
else if (command === 'run') await run(names.length === 0 ? (BUILTIN_TOOLS as ToolName[]) : names.map(toolNamed));
else fail('expected `choose TOOL` or `run [TOOL …]`');

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

function toolNamed(name: string): ToolName {
  if (builtinTool(name) === undefined) fail(`no tool named ${name}; the tools are ${BUILTIN_TOOLS.join(', ')}`);
  return name as ToolName;
}

function whole(name: 'seed' | 'from' | 'count'): number {
  const value = Number(flags[name]);
  if (!Number.isSafeInteger(value) || value < 0) fail(`--${name}: expected a whole number, got ${flags[name]}`);
  return value;
}

async function choose(tool: ToolName): Promise<void> {
  const [seed, from, count] = [whole('seed'), whole('from'), whole('count')];
  const file = path.resolve(process.env.SPARK_SHARED ?? '../shared', 'data/mmlu-pro/dev-700.jsonl');
  const order = orderFor(tool, await loadQuestions(file), seed);
  console.log(`${tool}: ${order.length} questions, seed ${seed}`);
  for (const { question_id, category, question, options, answer_index } of order.slice(from, from + count)) {
    const shown = options.map((option, i) => (i === answer_index ? `*${option}` : option)).join(' | ');
    console.log(`#${question_id} [${category}] ${question.replaceAll('\n', ' ')} || ${shown}`);
  }
}

interface Miss {
  readonly id: number;
  readonly input: string;
  readonly kind: 'silent' | 'error';
  readonly observation: string;
}

interface ToolResults {
  readonly tool: ToolName;
  readonly right: number;
  readonly silent: number;
  readonly errors: number;
  readonly misses: readonly Miss[];
}

async function run(tools: readonly ToolName[]): Promise<void> {
  const { timeoutMs, maxObservationChars } = resolveConfig().tools;
  const { tools: asked } = readToolFixture();
  const registry = createBuiltinRegistry({
    tools,
    ...(flags.corpus === undefined ? {} : { corpus: flags.corpus }),
    ...(flags.python === undefined ? {} : { python: { engine: 'system', path: flags.python } }),
  });
  const results: ToolResults[] = [];
  try {
    for (const tool of tools) {
      const misses: Miss[] = [];
      for (const { id, input, right } of asked[tool].questions) {
        const { ok, observation } = await registry.run(tool, input, { timeoutMs, maxObservationChars });
        if (ok && showsRight(observation, input, right)) continue;
        misses.push({ id, input, kind: ok ? 'silent' : 'error', observation });
      }
      const silent = misses.filter(({ kind }) => kind === 'silent').length;
      const right = asked[tool].questions.length - misses.length;
      results.push({ tool, right, silent, errors: misses.length - silent, misses });
    }
  } finally {
    await registry.dispose();
  }
  const about = { commit: commit(), node: describeMachine().node, command: `tool-questions.ts ${argv.join(' ')}` };
  if (flags.json) console.log(JSON.stringify({ ...about, timeoutMs, maxObservationChars, results }, null, 2));
  else print(results);
}

function print(results: readonly ToolResults[]): void {
  for (const { tool, misses } of results) {
    for (const { id, input, kind, observation } of misses)
      console.log(
        `${tool} #${id} ${kind}\n  ${input.replaceAll('\n', '\n  ')}\n  → ${observation.replaceAll('\n', '\n    ')}`,
      );
  }
  console.log('tool          right  silently wrong  error');
  for (const { tool, right, silent, errors } of results)
    console.log(
      `${tool.padEnd(13)}${String(right).padStart(6)}${String(silent).padStart(16)}${String(errors).padStart(7)}`,
    );
}
