/** Masks what is a secret by its place or its shape, known or not. For messages, never for data. */

/** The replacements keep the words around a secret, so that a message still says what happened. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // Headers, as HTTP spells them and as members of JSON, also of escaped JSON.
  [
    /(?<![?&;\w])((?:[\w-]{0,40}authorization|[\w-]{0,40}api-key|cookie|x-[\w-]{0,40}(?:key|token|secret))\\?["']?\s*[:=]\s*\\?["']?)(?!\*\*\*)(?:(bearer|basic|digest)\s+)?[^"'\\\r\n]+/gi,
    '$1***',
  ],
  [/\b(Bearer\s+)[^\s"'<>,;()\\]+/gi, '$1***'],
  // Basic credentials; not the words "Basic authentication".
  [/\b([Bb]asic\s+)(?=[A-Za-z0-9+/_-]*[A-Z0-9=+/_])[A-Za-z0-9+/_-]{6,}=*/g, '$1***'],
  // user:password@ in a URL, with one to three slashes, as path.resolve turns two into one.
  [/\b([a-z][a-z0-9+.-]{0,30}:\/{1,3})[^\s/?#"'<>]*@/gi, '$1***@'],
  // Parameters of a URL.
  [
    /([?&;](?:[\w.-]{0,40}(?:key|token|secret|password|passwd|pwd|credentials?|signature)|sig|auth|code)=)[^&#\s"'<>;)]+/gi,
    '$1***',
  ],
  [
    /\b((?:api|access|auth|secret|client|admin)[-_ ]?(?:key|token|secret)\\?["']?(?: provided| given)?\s*[:=]\s*\\?["']?)(?!(?:bearer|basic)\b|\*\*\*)[^\s"'\\,;)]{3,}/gi,
    '$1***',
  ],
  [/\b((?:password|passwd)\\?["']?\s*[:=]\s*\\?["']?)(?!\*\*\*)[^\s"'\\,;)]{3,}/gi, '$1***'],
  // Keys by the prefixes of their issuers.
  [/(?<![\w-])sk-(?=[\w-]{0,200}\d)[\w-]{16,}/g, '***'],
  [/(?<![\w-])sk-[\w-]{0,200}(?:\*{2,}|•{2,}|…|\.{3,}|x{4,})[\w-]*/gi, '***'],
  [/(?<![\w-])(?:gh[pousr]_|github_pat_|hf_|gsk_|glpat-|xox[abprs]-|pypi-|npm_)[\w-]{16,}/g, '***'],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}/g, '***'],
  // A JSON Web Token.
  [/(?<![\w-])eyJ[\w-]{8,}(?:\.[\w-]+){1,2}/g, '***'],
  // Text around a mask that somebody else made: the ends it leaves are pieces of a secret.
  [/(?<![\w-])(?:[\w-]*\*{4,})+[\w-]*/g, '***'],
];

export function maskPatterns(text: string): string {
  return PATTERNS.reduce((masked, [pattern, replacement]) => masked.replace(pattern, replacement), text);
}
