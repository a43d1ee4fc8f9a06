/** `spark-rl models`: what of a GGUF is supported, which fit this machine's memory, and fetching one. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { inCacheFolder } from '../../cacheFolder.js';
import type { Config } from '../../config/index.js';
import { fitOf, inspectModel, type ModelFit, type ModelReport, type Verdict } from '../../doctor/inspectModel.js';
import { SparkError } from '../../errors.js';
import { downloadModel } from '../../inference/llamaDownload.js';
import { byteText } from '../../units.js';
import { defineCommand } from '../command.js';
import { configFromArgs, modelOptions } from '../options.js';

export default defineCommand({
  positionals: {
    action: { choices: ['list', 'pull', 'inspect'], demandOption: true },
    file: { type: 'string', array: true, describe: 'GGUF files, for list also folders; for pull one address' },
  },
  options: {
    ...modelOptions,
    sha256: { type: 'string', describe: 'for pull: the file’s checksum, as its publisher says' },
    out: { type: 'string', describe: 'for pull: the folder to write to (default: models in the cache folder)' },
  },
  examples: [
    ['$0 models inspect m.gguf', 'tensor types, chat template, what is supported and what is not'],
    ['$0 models list ~/models', 'which of them can be trained and served in this memory'],
    ['$0 models pull https://host/m.gguf --sha256 …', 'goes on where an earlier try stopped'],
  ],
  async run(args, { log, signal }) {
    const { action, file: given = [] } = args;
    if (action !== 'pull' && (args.sha256 ?? args.out) !== undefined)
      throw new SparkError('invalid_argument', '--sha256 and --out are for models pull alone; leave them out');
    if (action === 'pull') {
      const [uri] = given;
      if (uri === undefined || given.length > 1)
        throw new SparkError(
          'invalid_argument',
          'models pull expects one address: https://host/m.gguf, or hf:user/model:Q4_K_M',
        );
      if (args.sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(args.sha256))
        throw new SparkError('invalid_argument', `--sha256: expected 64 hexadecimal digits, got ${args.sha256}`);
      const done = await downloadModel({
        ...{ uri, sha256: args.sha256 ?? null, signal },
        folder: path.resolve(args.out ?? inCacheFolder('models')),
        onProgress: (bytes, total) => log.progress(`${byteText(bytes)} of ${byteText(total)}`),
      });
      const how = done.fetched ? '' : ' was there already';
      return { json: done, text: `${done.file}${how} (${byteText(done.bytes)}, sha256 ${done.sha256})` };
    }
    const config = await configFromArgs(args, {}, 'none');
    if (action === 'inspect') {
      if (given.length === 0) throw new SparkError('invalid_argument', 'models inspect expects a GGUF file');
      const reports: ModelReport[] = [];
      for (const one of given) reports.push(await inspectModel(path.resolve(one), config, signal));
      return { json: reports, text: reports.map(reportText).join('\n\n') };
    }
    const fits: ModelFit[] = [];
    for (const one of modelFiles(given, config)) fits.push(await fitOf(one, config, signal));
    return { json: fits, text: fits.map(fitText).join('\n') };
  },
});

/** What is named, or else the configured model and the models of the cache folder; of a model in parts the first. */
function modelFiles(given: readonly string[], config: Config): string[] {
  const places = given.length > 0 ? given : [config.model.path, inCacheFolder('models')];
  const files = places.flatMap((place) => {
    const full = path.resolve(place);
    const found = statSync(full, { throwIfNoEntry: false });
    if (found?.isDirectory() !== true) {
      if (found !== undefined || given.length > 0) return [full];
      return [];
    }
    const names = readdirSync(full).filter(
      (name) => name.endsWith('.gguf') && !/-(?!00001)\d{5}-of-\d{5}\.gguf$/.test(name),
    );
    return names.sort().map((name) => path.join(full, name));
  });
  return [...new Set(files)];
}

function verdictText(verdict: Verdict): string {
  return verdict.ok ? 'yes' : `no: [${verdict.code}] ${verdict.why}`;
}

function reportText(report: ModelReport): string {
  const { file, bytes, name, architecture, types, tokenizer, contextLength, chatTemplate, parameters } = report;
  const count = parameters === null ? '' : `, ${(parameters / 1e6).toFixed(0)} M parameters`;
  return [
    `${file} (${byteText(bytes)}${name === null ? '' : `, ${name}`})`,
    `  architecture   ${architecture}${count}, trained for ${contextLength ?? 'unknown'} tokens, tokenizer ${tokenizer ?? 'none'}`,
    `  tensors        ${Object.entries(types)
      .map(([type, n]) => `${n} ${type}`)
      .join(', ')}`,
    `  chat template  ${chatTemplate === 'none' ? 'none: a completion model' : verdictText(chatTemplate)}`,
    `  our engine     ${verdictText(report.trains)}`,
    `  llama.cpp      ${verdictText(report.serves)}`,
  ].join('\n');
}

function fitText({ file, training, inference, why }: ModelFit): string {
  if (training === null || inference === null) return `${file}\n  not trained here: ${why}`;
  const { total, limit, fits, recompute } = training;
  const cell = (bytes: number, fit: boolean) => `${byteText(bytes)} ${fit ? 'fits' : 'does not fit'}`;
  return `${file}\n  PPO ${cell(total, fits)} (recompute ${recompute}), inference ${cell(inference.total, inference.fits)}, of ${byteText(limit)}`;
}
