/** The settings of rollouts, and the facts they depend on. */
import type { Config } from '../config/index.js';
import { modelSha256 } from '../inference/ggufParts.js';
import type { Question } from '../questions/question.js';
import { wantedAnswer } from '../questions/verifier.js';
import type { RolloutSettings } from '../rollout/settings.js';
import { type Change, type Facts, hashOf, hashOfPath } from '../run/freshness.js';
import { mcpFacts } from '../run/mcp.js';
import { noStage, type Run } from '../run/run.js';
import { corpusSha256 } from '../tools/corpus.js';
import { systemPythonVersions } from '../tools/system/python.js';
import { decisiveSettings } from '../tools/web/web.js';
import { nameOfSet, type RolloutSet } from '../trajectory/rolloutSet.js';

/** The settings of a rollout from the configuration. */
export function rolloutSettings(
  { rollout, tools, seed }: Config,
  chosen: Pick<RolloutSettings, 'selection' | 'tau' | 'temperature' | 'minSteps' | 'by'>,
): RolloutSettings {
  const { timeoutMs, maxObservationChars } = tools;
  return { ...rollout, ...chosen, toolTimeoutMs: timeoutMs, maxObservationChars, seed, attempt: 0 };
}

/**
 * The questions by content, each under its id, so that more or fewer questions are told apart from other questions. Their
 * verifiers stand apart, as answers can be graded again; of a verifier belongs to a question what is asked for in its name.
 */
export function questionFacts(questions: readonly Question[]): Facts {
  const verified = questions.filter(({ verifier }) => verifier !== undefined);
  const byId = (of: readonly Question[], content: (question: Question) => unknown): Facts =>
    Object.fromEntries(of.map((question) => [question.question_id, hashOf(content(question)).slice(0, 8)]));
  return {
    questions: byId(questions, ({ verifier, ...asked }) =>
      verifier === undefined ? asked : { ...asked, wanted: wantedAnswer({ verifier }) },
    ),
    ...(verified.length === 0 ? {} : { verifiers: byId(verified, ({ verifier }) => verifier) }),
  };
}

/** Whether a change is one of how a question's answer is graded. */
export function isVerifier({ name }: Change): boolean {
  return name === 'verifiers' || name.startsWith('verifiers.');
}

/** Whether a change says no more than that there is a question more or less. */
export function isOneQuestion({ name, before, now }: Change): boolean {
  return name.startsWith('questions.') && (before === undefined || now === undefined);
}

/** The facts that rollouts and evaluations have in common: limits, tools, model, seed. */
export async function actingFacts({ config, parts, partsHash, signal }: Run): Promise<Facts> {
  const {
    selection: _rule,
    tau: _threshold,
    temperature: _sampled,
    minSteps: _least,
    audit: _again,
    auditMargin: _doubt,
    ...limits
  } = config.rollout;
  const { timeoutMs, maxObservationChars, corpus, web } = config.tools;
  const listings = parts.mcpListings();
  return {
    model: await modelSha256(config.model.path, signal),
    ...limits,
    tools: {
      ...{ actions: hashOf(parts.actions()), timeoutMs, maxObservationChars },
      ...(listings.length === 0 ? {} : { mcp: mcpFacts(listings) }),
      ...(web.length === 0 ? {} : { web: Object.fromEntries(web.map((one) => [one.name, decisiveSettings(one)])) }),
      // By content: the same corpus elsewhere is the same, another one under the same name is not.
      ...(corpus === null ? {} : { corpus: await corpusSha256(corpus, signal) }),
      ...(await pythonFacts(config.tools)),
    },
    contextSize: config.inference.contextSize,
    // By name: the same model at another address is the same. Absent where llama.cpp generates here.
    ...(config.server.model === null ? {} : { served: config.server.model }),
    ...(config.generation.deterministic ? { deterministic: true } : {}),
    seed: config.seed,
    parts: partsHash,
  };
}

/** Which Python computes, where it is not the package's own. */
async function pythonFacts({ enabled, python }: Config['tools']): Promise<Facts> {
  if (python.engine === 'pyodide' || !enabled.includes('python')) return {};
  return { python: { engine: python.engine, ...(await systemPythonVersions(python)) } };
}

/** The GGUF file of the adapter that rolls out; null: the base model. Throws `no_data` when the stage is not trained. */
export function rolloutAdapter(run: Run, { by }: RolloutSet): string | null {
  if (by === undefined) return null;
  const adapter = run.adapterOf(by);
  if (adapter === null) throw noStage(run, by);
  return adapter;
}

export async function rolloutFacts(run: Run, set: RolloutSet): Promise<Facts> {
  const { temperature, minSteps, audit, auditMargin } = run.config.rollout;
  const adapter = rolloutAdapter(run, set);
  const by = adapter === null ? {} : { adapter: await hashOfPath(adapter, run.signal) };
  return {
    ...by,
    set: nameOfSet(set),
    temperature,
    minSteps,
    audit,
    ...(audit === 'cheap' ? { auditMargin } : {}),
    judge: await run.parts.judgeName(),
    // Rollouts of version 0.1 and before counted uses over the whole set: two rules must not be mixed in one set.
    ties: 'trajectory',
    ...(await actingFacts(run)),
  };
}
