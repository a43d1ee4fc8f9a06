/** `spark-rl corpus`: builds the corpus of `encyclopedia` and `search` from files, looks into one, and asks it. */
import { SparkError } from '../../errors.js';
import { corpusPayload } from '../../tools/corpus.js';
import { buildCorpus } from '../../tools/corpusFile/build.js';
import { type CorpusSeal, readSeal, verifySeal } from '../../tools/corpusFile/seal.js';
import { createBuiltinRegistry } from '../../tools/registry.js';
import { byteText } from '../../units.js';
import { defineCommand } from '../command.js';
import type { CommandContext, CommandResult } from '../run.js';

/** Which action has use for which option. */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  build: ['out', 'passage-chars', 'overlap', 'overwrite'],
  info: ['verify'],
  search: ['corpus', 'tool', 'chars'],
};

export default defineCommand({
  positionals: {
    action: { choices: ['build', 'info', 'search'], demandOption: true },
    what: {
      type: 'string',
      array: true,
      describe:
        'build: files and folders of articles (.jsonl, .parquet, .md, .txt, .index of dictd); info: a corpus file; search: what to look for',
    },
  },
  options: {
    out: { type: 'string', describe: 'build: the corpus file to write' },
    'passage-chars': { type: 'number', describe: 'build: most characters of a passage (default 600)' },
    overlap: {
      type: 'number',
      describe: 'build: characters a passage repeats of the one before, at most half of it (default 100)',
    },
    overwrite: { type: 'boolean', describe: 'build: replace a file that is there' },
    verify: { type: 'boolean', describe: 'info: read all of the file and compare its hash' },
    corpus: {
      type: 'string',
      describe: 'search: the corpus file, or a folder of articles (default: the package’s own)',
    },
    tool: {
      choices: ['search', 'encyclopedia'] as const,
      describe: 'search: which of the tools answers (default search)',
    },
    chars: { type: 'number', describe: 'search: longest answer, in characters (default 1000; a rollout has 400)' },
  },
  examples: [
    ['$0 corpus build wikipedia/ --out wikipedia.corpus', 'every Parquet shard of the folder'],
    ['$0 corpus build /usr/share/dictd --out dict.corpus', 'the dictionaries of Debian’s dict-* packages'],
    ['$0 corpus search "difference between tariff and quota" --corpus dict.corpus', 'what a rollout would be shown'],
    ['$0 generate --run my --set tools.corpus=dict.corpus', 'rollouts over it'],
  ],
  // A database that is not finished is worth nothing, and a build takes minutes.
  resumes: false,
  async run({ action, what = [], ...args }, context) {
    refuseOthers(action, args);
    if (what.length === 0) {
      const wanted = { build: 'files or folders of articles', info: 'a corpus file', search: 'what to look for' };
      throw new SparkError('invalid_argument', `corpus ${action} expects ${wanted[action as keyof typeof wanted]}`);
    }
    switch (action) {
      case 'build': {
        if (args.out === undefined) throw new SparkError('invalid_argument', 'corpus build expects --out FILE');
        const seal = await buildCorpus(what, args.out, {
          ...(args['passage-chars'] === undefined ? {} : { passageChars: args['passage-chars'] }),
          ...(args.overlap === undefined ? {} : { overlapChars: args.overlap }),
          ...(args.overwrite === undefined ? {} : { overwrite: args.overwrite }),
          signal: context.signal,
          onProgress: (message) => context.log.progress(message),
        });
        return { json: { out: args.out, ...seal }, text: told(args.out, seal) };
      }
      case 'info': {
        if (what.length !== 1)
          throw new SparkError('invalid_argument', `corpus info expects one file, got ${what.length}`);
        const [file] = what as [string];
        const seal = args.verify === true ? await verifySeal(file, context.signal) : readSeal(file);
        const checked = args.verify === true ? '\nevery byte is as it was built' : '';
        return { json: { file, ...seal }, text: told(file, seal) + checked };
      }
      default:
        return ask(what.join(' '), args, context);
    }
  },
});

function refuseOthers(action: string, args: Readonly<Record<string, unknown>>): void {
  for (const [other, names] of Object.entries(ONLY)) {
    const given = other === action ? undefined : names.find((name) => args[name] !== undefined);
    if (given === undefined) continue;
    throw new SparkError('invalid_argument', `corpus ${action} has no use for --${given}; leave it out`);
  }
}

interface Asked {
  readonly corpus?: string | undefined;
  readonly tool?: 'search' | 'encyclopedia' | undefined;
  readonly chars?: number | undefined;
}

/** Asks the tool itself, in its sandbox. Nothing relevant is a result, and exit code 1, as with grep. */
async function ask(
  query: string,
  { corpus, tool = 'search', chars = 1000 }: Asked,
  { signal }: CommandContext,
): Promise<CommandResult> {
  if (!Number.isInteger(chars) || chars < 40) {
    throw new SparkError('invalid_argument', `--chars: expected 40 or more characters, got ${chars}`);
  }
  // So that a file or folder that is no corpus is said before a child is started.
  await corpusPayload(corpus);
  const registry = createBuiltinRegistry({ tools: [tool], ...(corpus === undefined ? {} : { corpus }) });
  try {
    const result = await registry.run(tool, query, { timeoutMs: 60_000, maxObservationChars: chars, signal });
    return { json: result, text: result.observation, failed: !result.ok };
  } finally {
    await registry.dispose();
  }
}

function told(
  file: string,
  {
    articles,
    passages,
    aliases,
    settings,
    sources,
    skipped,
    emptyArticles,
    danglingRedirects,
    bytes,
    database,
  }: CorpusSeal,
): string {
  const left = [
    ...(emptyArticles === 0 ? [] : [`${emptyArticles} articles without text`]),
    ...(danglingRedirects === 0 ? [] : [`${danglingRedirects} redirects to titles that no article has`]),
    ...skipped.map(({ name, why }) => `${name}: ${why}`),
  ];
  return [
    `${file}: ${articles} articles, ${aliases} other names, ${passages} passages of at most ${settings.passageChars} characters, ${byteText(bytes)}`,
    `  sha256 ${database}`,
    ...sources.map(
      (source) =>
        `  ${source.name}: ${source.articles} articles, ${byteText(source.bytes)}, sha256 ${source.sha256.slice(0, 16)}…`,
    ),
    ...(left.length === 0
      ? []
      : ['left out:', ...left.slice(0, 20).map((one) => `  ${one}`), ...(left.length > 20 ? ['  …'] : [])]),
  ].join('\n');
}
