/**
 * A configuration is printed, written into every run and shown in its report, so every command refuses one that holds a
 * secret. The message names the keys and never shows their values.
 */
import { SparkError } from '../errors.js';
import { noteSecret, redactKnown } from '../secrets/redact.js';
import { isReference } from '../secrets/references.js';
import { holdsCredentials, namesSecret, secretsInUrls, stringsIn } from '../secrets/sources.js';

/** Makes `redact` hide what a patch holds under `apiKey`, `token` and the like, or as credentials in its URLs. */
export function noteConfigSecrets(patch: unknown): void {
  for (const [path, text] of stringsIn(patch)) {
    if (isToolsReference(path, text)) continue;
    if (namesSecret(path.at(-1) ?? '')) noteSecret(text);
    for (const secret of secretsInUrls(text)) noteSecret(secret);
  }
}

/** Throws `invalid_config` naming every key that holds a secret. */
export function refuseConfigSecrets(merged: unknown): void {
  const lines = [...stringsIn(merged)].flatMap(([path, text]) => {
    if (isToolsReference(path, text)) return [];
    const reason = whyRefused(path.at(-1) ?? '', text);
    // No colon after the key: of `apiKey: expected …` redaction would take the next word for the secret.
    return reason === null ? [] : [`  ${path.join('.')} ${reason}`];
  });
  if (lines.length === 0) return;
  throw new SparkError(
    'invalid_config',
    `the configuration holds secrets (not shown), and it is written to files and printed:\n${lines.join('\n')}\n` +
      'Take them out; a key for the judge belongs into the environment variable OPENAI_API_KEY, one for a ' +
      'server that generates into SPARK_RL_SERVER_KEY, credentials of an MLflow server into MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, a key of an ' +
      'MCP server into a variable of any name, which env or headers then names: $NAME, and one of an engine of tools.web likewise: key: $NAME',
  );
}

/** In `env` and `headers` of an MCP server, and as `key` of an engine on the web: the name of a variable in place of a secret. */
function isToolsReference(path: readonly string[], text: string): boolean {
  const [tools, kind, _at, place] = path;
  if (tools !== 'tools' || !isReference(text)) return false;
  return kind === 'mcp' ? place === 'env' || place === 'headers' : kind === 'web' && place === 'key';
}

function whyRefused(key: string, text: string): string | null {
  if (text.trim() === '') return null;
  if (namesSecret(key)) return 'has the name of a secret';
  if (holdsCredentials(text)) return 'holds a name, password or key, expected a path or URL without';
  return redactKnown(text) === text ? null : 'holds a secret that this process has from elsewhere';
}
