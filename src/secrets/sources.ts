/** Finds secrets in environment variables, arguments, headers and URLs, by the names under which they stand. */
import { Buffer } from 'node:buffer';

/**
 * True for `OPENAI_API_KEY`, `apiKey`, `subscription-key`, `HF_TOKEN`; false for `maxTokens`, `SSH_AUTH_SOCK`,
 * `AWS_ACCESS_KEY_ID`, `PWD`.
 */
export function namesSecret(name: string): boolean {
  if (/^pwd$/i.test(name)) return false;
  const words = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2');
  return /(?:^|[^a-z0-9])(?:api|access|auth|private|secret|client|admin)?(?:key|token|secret|password|passwd|pass|pwd|credentials?|auth|authorization|signature|bearer)[0-9]*(?:_[0-9]+)?$/i.test(
    words,
  );
}

/** As `namesSecret`, and the names that mean a secret only in a URL: `sig` of signed links, `code` of Azure functions. */
function namesParameter(name: string): boolean {
  return namesSecret(name) || /^(?:sig|code)$/i.test(name);
}

/** Passwords, tokens and keys inside every URL of the text. */
export function secretsInUrls(text: string): string[] {
  return [...userInfos(text).flatMap(secretsOfUserInfo), ...parameters(text)];
}

/** Whether a URL of the text holds a name, a password or a key. */
export function holdsCredentials(text: string): boolean {
  return userInfos(text).length > 0 || parameters(text).length > 0;
}

function userInfos(text: string): string[] {
  const found = [...text.matchAll(/[a-z][a-z0-9+.-]{0,30}:\/\/([^\s/?#"'<>]*)@/gi)].map((match) => match[1]!);
  if (found.length > 0) return found;
  // A password that contains a slash makes the URL invalid, but it is still a password.
  const broken = /^\s*[a-z][a-z0-9+.-]*:\/\/(\S*)@\S*\s*$/i.exec(text);
  return broken === null || URL.canParse(text.trim()) ? [] : [broken[1]!];
}

function secretsOfUserInfo(userInfo: string): string[] {
  const at = userInfo.indexOf(':');
  // A name without a password is a token.
  if (at < 0) return [userInfo, unescaped(userInfo)];
  const password = userInfo.slice(at + 1);
  const basic = Buffer.from(`${unescaped(userInfo.slice(0, at))}:${unescaped(password)}`).toString('base64');
  return [password, unescaped(password), basic];
}

function parameters(text: string): string[] {
  const found = [...text.matchAll(/[?&;]([\w.%-]+)=([^&#\s"'<>;]+)/g)];
  return found.filter((match) => namesParameter(match[1]!)).flatMap((match) => [match[2]!, unescaped(match[2]!)]);
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

export function secretsInEnvironment(env: Environment): string[] {
  return Object.entries(env).flatMap(([name, value]) => {
    if (value === undefined || value === '') return [];
    const found = secretsInUrls(value);
    // A proxy may be given without its scheme.
    if (/proxy$/i.test(name) && !value.includes('://')) found.push(...secretsInUrls(`http://${value}`));
    if (namesSecret(name)) found.push(value);
    // Headers that the openai client sends in addition.
    if (/_HEADERS$/i.test(name)) found.push(...secretsInHeaders(value));
    return found;
  });
}

/** The variables that hold no secret: for a process that needs none. */
export function withoutSecrets(env: Environment): Record<string, string | undefined> {
  const entries = Object.entries(env);
  return Object.fromEntries(entries.filter(([name, value]) => secretsInEnvironment({ [name]: value }).length === 0));
}

/** Secrets in lines such as `X-Api-Key: value`. */
function secretsInHeaders(text: string): string[] {
  const lines = text
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1)] as const);
  return lines.filter(([name]) => namesSecret(name) || /cookie$/i.test(name)).map(([, value]) => value);
}

/** Secrets in a command line: `--api-key X`, `--set judge.apiKey=X`, URLs anywhere. */
export function secretsInArguments(args: readonly string[]): string[] {
  return args.flatMap((argument, index) => {
    const found = secretsInUrls(argument);
    const assignment = /^-{0,2}([\w.-]+)=(.*)$/s.exec(argument);
    if (assignment !== null && namesSecret(assignment[1]!)) found.push(assignment[2]!);
    const before = args[index - 1];
    if (before?.startsWith('--') && namesSecret(before)) found.push(argument);
    return found;
  });
}

/** All strings at any depth, each with the path of keys to it. */
export function* stringsIn(value: unknown, path: readonly string[] = []): Generator<[path: readonly string[], string]> {
  if (typeof value === 'string') yield [path, value];
  else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) yield* stringsIn(inner, [...path, key]);
  }
}
