/** Reads settings from a YAML file and from `--set key=value`. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { SparkError } from '../errors.js';
import { packagePath } from '../package.js';
import { isRecord } from './record.js';
import type { ConfigPatch } from './schema.js';
import { noteConfigSecrets } from './secrets.js';

/** Reads a YAML file into a patch. A bare name is looked up among the configs shipped with the package. */
export async function readConfigFile(file: string): Promise<ConfigPatch> {
  const candidates = [file, packagePath(path.join('configs', `${file}.yaml`))];
  let text: string | undefined;
  for (const candidate of candidates) {
    text = await readFile(candidate, 'utf8').catch(() => undefined);
    if (text !== undefined) break;
  }
  if (text === undefined) {
    throw new SparkError(
      'invalid_config',
      `expected a YAML file or the name of a shipped configuration (quickstart, paper, paper-tools), got ${file}: no file at ${candidates.join(' or ')}`,
    );
  }
  const parsed = readYaml(text, (reason) => `${file} is not YAML: ${reason}`);
  noteConfigSecrets(parsed);
  if (parsed === null || parsed === undefined) return {};
  if (!isRecord(parsed)) throw new SparkError('invalid_config', `${file}: expected keys and values at the top`);
  return parsed;
}

/** `a.b=3` becomes { a: { b: 3 } }; the value is read as YAML. `a.0.b` and `a[0].b` mean entries of a list. */
export function patchFromAssignment(assignment: string): ConfigPatch {
  const at = assignment.indexOf('=');
  if (at <= 0)
    throw new SparkError(
      'invalid_config',
      '--set expects key=value, got no key in front of a "="; write for example --set ppo.epochs=3',
    );
  const name = assignment.slice(0, at);
  const value = readYaml(assignment.slice(at + 1), (reason) => `--set ${name}: the value is not YAML: ${reason}`);
  const keys = name.replace(/\[(\d+)\]/g, '.$1').split('.');
  if (keys.some((key) => key === '' || /[[\]]/.test(key))) {
    throw new SparkError(
      'invalid_config',
      `--set ${name}: expected names with dots between them, and numbers for entries of lists, such as tools.mcp.0.command or ` +
        'tools.mcp[0].command',
    );
  }
  return keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as ConfigPatch;
}

/**
 * Parsed YAML, or `invalid_config` with the parser's error code and position. Not with its message: that quotes the
 * lines around the mistake, and one of them may hold a key.
 */
function readYaml(text: string, message: (reason: string) => string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw new SparkError('invalid_config', message('it refers to nothing'));
    const [start] = error.linePos ?? [];
    const where = start === undefined ? '' : ` at line ${start.line}, column ${start.col}`;
    throw new SparkError('invalid_config', message(`${error.code.toLowerCase().replaceAll('_', ' ')}${where}`));
  }
}
