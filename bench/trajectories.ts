/**
 * How much memory `spark-rl trajectories` takes for few and for very many trajectories: the peak resident memory of the
 * built command line (`npm run build` first), each time in a process of its own.
 *
 *   npx vite-node bench/trajectories.ts -- [--counts 10000,1000000] [--only stats] [--json]
 *
 * The trajectories are small (one step, nine scores, 24 tokens), about a kilobyte each as JSONL: what grows with their
 * number shows, and not what grows with their size.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BUILTIN_TOOLS } from '../src/tools/builtin.js';
import { THINK } from '../src/tools/tool.js';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((one) => one !== '--'),
  options: {
    counts: { type: 'string', default: '10000,1000000' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});
const counts = values.counts.split(',').map(Number);
if (counts.some((count) => !Number.isInteger(count) || count < 1)) throw new Error(`--counts: got ${values.counts}`);

const folder = mkdtempSync(path.join(tmpdir(), 'spark-bench-'));
const QUESTIONS = 1000;
const ACTIONS: readonly string[] = [...BUILTIN_TOOLS, THINK];
const CATEGORIES = ['math', 'law', 'physics'];

function questions(): string {
  const rows = Array.from({ length: QUESTIONS }, (_, question_id) => ({
    ...{
      question_id,
      question: `What is ${question_id} + 1?`,
      options: ['1', '2', '3', '4'],
      answer: 'C',
      answer_index: 2,
    },
    ...{ cot_content: '', category: CATEGORIES[question_id % 3], src: 'bench' },
  }));
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** Scores and actions go round, so that every action is taken. */
function trajectory(index: number): string {
  const questionId = index % QUESTIONS;
  const taken = ACTIONS[index % 9]!;
  const scores = Object.fromEntries(ACTIONS.map((name, at) => [name, name === taken ? 6.5 : (at * 7 + index) % 10]));
  const spans = { prompt: 8, thought: 4, action: 2, input: 3, observation: 3, answer: 4 };
  let at = 0;
  const segments = Object.entries(spans).map(([kind, length]) => {
    at += length;
    return { kind, step: kind === 'prompt' || kind === 'answer' ? -1 : 0, start: at - length, end: at };
  });
  return `${JSON.stringify({
    ...{
      id: `${questionId}:min-score-tau6:${Math.floor(index / QUESTIONS)}`,
      questionId,
      category: CATEGORIES[questionId % 3],
    },
    ...{ selection: 'min-score', tau: 6, generator: 'bench', judge: 'bench', seed: 1 },
    steps: [
      {
        ...{
          index: 0,
          stateEnd: 8,
          thought: 'I add one.',
          scores,
          action: taken,
          choice: 'viable',
          input: `${index} + 1`,
        },
        ...{ observation: String(index + 1), toolError: null, truncated: false, processOk: index % 7 !== 0 },
      },
    ],
    ...{ answerText: 'The answer is (C).', answer: 'C', correct: index % 3 !== 0, end: 'answered' },
    ...{ tokens: Array.from({ length: at }, (_, token) => token + (index % 1000)), segments },
  })}\n`;
}

async function write(count: number): Promise<string> {
  const file = path.join(folder, `${count}.jsonl`);
  const stream = createWriteStream(file);
  for (let index = 0; index < count; index++) {
    if (!stream.write(trajectory(index))) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'close');
  return file;
}

/** Says the most memory that the process had, as its last line on stderr. */
const REPORT = `data:text/javascript,process.on('exit',()=>console.error(process.resourceUsage().maxRSS))`;

/** Peak memory in megabytes. */
async function peak(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, ['--import', REPORT, 'dist/cli/main.js', 'trajectories', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.resume();
  child.stderr.on('data', (chunk) => {
    said = (said + chunk).slice(-4000);
  });
  const [code] = (await once(child, 'close')) as [number];
  const kilobytes = Number(said.trimEnd().split('\n').at(-1));
  if (code !== 0 || !(kilobytes > 0)) throw new Error(`${args.join(' ')} ended with ${code}: ${said}`);
  return kilobytes / 1024;
}

async function measure(count: number): Promise<Record<string, number>> {
  const file = await write(count);
  const out = (name: string) => path.join(folder, `${count}.${name}`);
  const asked = ['--questions', path.join(folder, 'questions.jsonl')];
  const parquet = out('parquet');
  const commands: Readonly<Record<string, readonly string[]>> = {
    'show --limit 0': ['show', file, '--limit', '0', ...asked],
    stats: ['stats', file],
    'export parquet': ['export', file, '--format', 'parquet', '--out', parquet],
    'stats of parquet': ['stats', parquet],
    'export hf-chat': ['export', file, '--format', 'hf-chat', '--out', out('chat'), ...asked],
    'export spark': ['export', file, '--format', 'spark', '--out', out('spark'), ...asked],
  };
  const megabytes: Record<string, number> = { 'file, MB': statSync(file).size / 1e6 };
  for (const [name, args] of Object.entries(commands)) {
    if (values.only?.includes(name) === false) continue;
    megabytes[name] = await peak(args);
    process.stderr.write(`${count} ${name}: ${megabytes[name].toFixed(0)} MiB\n`);
  }
  return megabytes;
}

try {
  writeFileSync(path.join(folder, 'questions.jsonl'), questions());
  const results: { count: number; megabytes: Record<string, number> }[] = [];
  for (const count of counts) results.push({ count, megabytes: await measure(count) });
  if (values.json) console.log(JSON.stringify({ node: process.version, results }, null, 2));
  else {
    const names = Object.keys(results[0]!.megabytes);
    console.log(['peak MiB'.padEnd(20), ...counts.map((count) => String(count).padStart(10))].join(''));
    for (const name of names) {
      const cells = results.map(({ megabytes }) => megabytes[name]!.toFixed(0).padStart(10));
      console.log([name.padEnd(20), ...cells].join(''));
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
