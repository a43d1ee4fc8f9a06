/** The hosts of the built-in tools, each made when a tool first needs it. */
import path from 'node:path';
import { SparkError } from '../errors.js';
import type { Log } from '../log.js';
import { BUILTIN_TOOLS, builtinTool } from './builtin.js';
import { corpusPayload, isCorpusFile } from './corpus.js';
import { ToolHost } from './host.js';
import type { HostKind } from './hostProtocol.js';
import { pythonSnapshot, sympyPayload } from './pythonSnapshot.js';

/**
 * Calls after which a child is replaced. Python's process ends at the first call that is not plain, and after this many in
 * any case. The others make new images, and are replaced because of the memory that old images still take (z3: 24 MB
 * each).
 */
const RETIRE_AFTER: Readonly<Record<HostKind, number>> = {
  python: 200,
  sympy: 200,
  logic: 25,
  math: 100,
  chemistry: 100,
  corpus: 1000,
};

/**
 * Of every child. They are ready in seconds; beside a full load at a lower priority one was not after a minute. What ends a whole
 * run waits for that.
 */
export const HOST_LIMITS = { startTimeoutMs: 300_000, slowAfterMs: 60_000, maxRssMb: 1024 };

export interface HostOptions {
  /** The built-in tools that may be called. */
  readonly wanted: ReadonlySet<string>;
  readonly processes?: number;
  readonly corpus?: string;
  readonly log?: Log;
}

export class BuiltinHosts {
  readonly #options: HostOptions;
  readonly #own: (host: ToolHost) => void;
  readonly #made = new Map<HostKind, ToolHost>();

  /** `own` is given every host, and disposes of it. */
  constructor(options: HostOptions, own: (host: ToolHost) => void) {
    this.#options = options;
    this.#own = own;
  }

  of(kind: HostKind): ToolHost {
    const known = this.#made.get(kind);
    if (known !== undefined) return known;
    const { wanted, processes = 1, corpus, log } = this.#options;
    const payload = this.#payload(kind);
    const host = new ToolHost({
      kind,
      tools: BUILTIN_TOOLS.filter((name) => wanted.has(name) && builtinTool(name)!.host === kind),
      size: processes,
      ...(payload === null ? {} : { payload }),
      ...(kind === 'corpus' && isCorpusFile(corpus) ? { reads: [readable(corpus)] } : {}),
      retireAfter: RETIRE_AFTER[kind],
      mayDecline: kind === 'python' || kind === 'sympy',
      ...HOST_LIMITS,
      log,
    });
    this.#made.set(kind, host);
    this.#own(host);
    return host;
  }

  #payload(kind: HostKind): (() => Promise<Uint8Array>) | null {
    const { corpus, log } = this.#options;
    if (kind === 'python') return pythonSnapshot;
    if (kind === 'sympy') return () => sympyPayload(log);
    return kind === 'corpus' ? () => corpusPayload(corpus) : null;
  }
}

/** The path of a corpus file as Node's permission model takes it, to which some characters are not part of a name. */
function readable(corpus: string): string {
  const file = path.resolve(corpus);
  if (!/[*,]/.test(file)) return file;
  throw new SparkError('invalid_config', `expected the path of a corpus without "*" and ",", got ${file}; rename it`);
}
