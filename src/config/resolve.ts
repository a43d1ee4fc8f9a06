/**
 * Makes one configuration of defaults, a YAML file and flags. `auto` of the judge and the paths are resolved here, so
 * that the config.json of a run says what was really used.
 */
import path from 'node:path';
import { SparkError } from '../errors.js';
import { firstPart } from '../inference/ggufParts.js';
import { serverProblems } from '../inference/serverSettings.js';
import { type JudgeSettings, POLICY, problemsOf } from '../judge/settings.js';
import { packagePath } from '../package.js';
import { MOST_ACTIONS } from '../tools/mcp/listing.js';
import { THINK } from '../tools/tool.js';
import { entryOfNoList, merge } from './merge.js';
import { type Config, type ConfigPatch, configSchema } from './schema.js';
import { noteConfigSecrets, refuseConfigSecrets } from './secrets.js';

/**
 * Defaults, then each patch in turn. Throws `invalid_config` naming every key that is wrong, or that holds a secret.
 */
export function resolveConfig(...patches: readonly ConfigPatch[]): Config {
  const merged = patches.reduce<ConfigPatch>((all, patch) => merge(all, patch), {});
  noteConfigSecrets(merged);
  refuseConfigSecrets(merged);
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) {
    const lines = parsed.error.issues.map(({ path, message }) => {
      const got = path.reduce<unknown>(
        (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
        merged,
      );
      return `  ${path.join('.') || '(top)'}: ${entryOfNoList(message, got) ?? `${message}${andGot(message, got)}`}`;
    });
    throw new SparkError('invalid_config', `the configuration is not valid:\n${lines.join('\n')}`);
  }
  const config = parsed.data;
  refuseTooManySteps(config);
  refuseNoValidation(config);
  refuseServerSettings(config);
  refuseLostPlaces(config);
  refuseToolNames(config);
  const mini = config.questions.train === 'mini' && config.questions.test === 'mini';
  if (config.judge.kind === 'auto') config.judge.kind = mini ? 'oracle' : 'api';
  config.model.path =
    config.model.path === 'tiny' ? packagePath('models/spark-tiny.gguf') : firstPart(path.resolve(config.model.path));
  // Absolute paths, because a run can be continued from another working folder.
  const { questions } = config;
  if (questions.train !== 'mini') questions.train = path.resolve(questions.train);
  if (questions.test !== 'mini') questions.test = path.resolve(questions.test);
  if (questions.shots !== null) questions.shots = path.resolve(questions.shots);
  if (config.tools.corpus !== null) config.tools.corpus = path.resolve(config.tools.corpus);
  const { python } = config.tools;
  // A name alone is looked for on the PATH, as a shell does.
  if (python.path?.includes(path.sep)) python.path = path.resolve(python.path);
  if (config.parts !== null) config.parts = path.resolve(config.parts);
  for (const server of config.tools.mcp) if (server.command !== null) server.cwd = path.resolve(server.cwd ?? '.');
  for (const judge of config.ablate.judges) {
    if ('parts' in judge) judge.parts = path.resolve(judge.parts);
    else if (judge.kind === 'auto') judge.kind = mini ? 'oracle' : 'api';
  }
  settleJudges(config);
  return config;
}

/** With more questions under way than places some would lose theirs, and be evaluated again in other batches. */
function refuseLostPlaces({ generation: { inFlight, deterministic }, inference: { sequences } }: Config): void {
  if (!deterministic || inFlight === 'auto' || inFlight <= sequences) return;
  throw new SparkError(
    'invalid_config',
    `generation.inFlight: with generation.deterministic expected at most inference.sequences (${sequences}), got ${inFlight}; ` +
      'raise inference.sequences as far as memory allows, or leave inFlight out',
  );
}

/** Refuses settings that the judge's kind has no use for, and makes the path of a local judge's model absolute. */
function settleJudges(config: Config): void {
  const others = config.ablate.judges.flatMap((judge, at): [string, JudgeSettings][] =>
    'parts' in judge ? [] : [[`ablate.judges.${at}`, judge]],
  );
  const all: readonly [string, JudgeSettings][] = [['judge', config.judge], ...others];
  const lines = all.flatMap(([section, judge]) =>
    problemsOf(judge).map(([key, message]) => `  ${section}.${key}: ${message}`),
  );
  if (config.judge.kind === 'local' && config.rollout.audit !== 'off') {
    lines.push(
      '  rollout.audit: asks again in another order, which changes nothing for a local judge, as it scores each action alone; set it to off',
    );
  }
  if (config.judge.batch) {
    lines.push(
      '  judge.batch: expected false, got true; a rollout needs each verdict before its next step, and a batch takes up to a ' +
        'day: the judges of ablate.judges may have it',
    );
  }
  if (lines.length > 0) throw new SparkError('invalid_config', `the configuration is not valid:\n${lines.join('\n')}`);
  for (const [, judge] of all) {
    if (judge.kind === 'local' && judge.model !== POLICY) judge.model = firstPart(path.resolve(judge.model));
  }
}

/** What was given, where zod's words do not say it and it is short: `rollout.tau: Too big: …, got 12`. */
function andGot(message: string, value: unknown): string {
  const said = message.includes('received') || message.includes('got ');
  return said || !(typeof value === 'number' || typeof value === 'boolean') ? '' : `, got ${value}`;
}

/** More steps than there may be would leave no place for an answer. */
function refuseTooManySteps(config: Config): void {
  const { maxSteps } = config.rollout;
  for (const section of ['rollout', 'eval'] as const) {
    const { minSteps } = config[section];
    if (minSteps <= maxSteps) continue;
    throw new SparkError(
      'invalid_config',
      `the configuration is not valid:\n  ${section}.minSteps: expected at most rollout.maxSteps (${maxSteps}), got ` +
        `${minSteps}; lower it, or raise rollout.maxSteps (--steps)`,
    );
  }
}

/** A training could not be measured on questions that there are not; said before hours of rollouts, not after. */
function refuseNoValidation({ eval: { every }, questions }: Config): void {
  if (every === 0 || questions.validationLimit > 0) return;
  throw new SparkError(
    'invalid_config',
    `the configuration is not valid:\n  eval.every: expected 0 without validation questions, got ${every}; give some, which no ` +
      'training sees, with --set questions.validationLimit=140',
  );
}

/** Two actions of one name, or more than a judge scores; of MCP servers the run knows when they were asked. */
function refuseToolNames({ tools: { enabled, names, web } }: Config): void {
  const own = [...new Set(enabled)].map((tool) => names[tool as keyof typeof names] ?? tool);
  const all = [...own, ...web.map(({ name }) => name)];
  const twice = all.find((name, at) => all.indexOf(name) !== at || name === THINK);
  const lines: string[] = [];
  if (twice !== undefined) {
    lines.push(
      `  tools: expected one action named ${twice}, got ${twice === THINK ? 'a tool of that name beside thinking itself' : 'two'}; give ` +
        'another name in tools.web or tools.names, or take one out of tools.enabled',
    );
  }
  if (web.length > 0 && all.length >= MOST_ACTIONS) {
    lines.push(`  tools: expected at most ${MOST_ACTIONS} actions with think, got ${all.length + 1}; take some out`);
  }
  if (lines.length > 0) throw new SparkError('invalid_config', `the configuration is not valid:\n${lines.join('\n')}`);
}

/** Half of a server, or what no server can promise. */
function refuseServerSettings({ server, generation }: Config): void {
  const lines = serverProblems(server).map(([key, message]) => `  server.${key}: ${message}`);
  if (server.baseUrl !== null && generation.deterministic) {
    lines.push(
      '  generation.deterministic: expected false with server.baseUrl, as a server puts requests together as it likes; or a run ' +
        'that generates here',
    );
  }
  if (lines.length > 0) throw new SparkError('invalid_config', `the configuration is not valid:\n${lines.join('\n')}`);
}
