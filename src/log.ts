import { redact } from './secrets/redact.js';

/**
 * What people watch goes to stderr; stdout is for results. Milestones are always printed, a progress line only where a
 * person looks at it (a TTY). No line shows a secret.
 */
export interface Log {
  /** One finished thing worth a line. */
  info(message: string): void;
  warn(message: string): void;
  /** Overwrites itself on a TTY, silent elsewhere. */
  progress(message: string): void;
}

export function createLog(stream: NodeJS.WriteStream = process.stderr): Log {
  const tty = stream.isTTY === true;
  let open = false;
  const clear = () => {
    if (open) stream.write('\r\u001b[K');
    open = false;
  };
  return {
    info(message) {
      clear();
      stream.write(`${redact(message)}\n`);
    },
    warn(message) {
      clear();
      stream.write(`warning: ${redact(message)}\n`);
    },
    progress(message) {
      if (!tty) return;
      clear();
      stream.write(redact(message).slice(0, Math.max(20, (stream.columns ?? 80) - 1)));
      open = true;
    },
  };
}

/** For callers that want no words. */
export const silentLog: Log = { info() {}, warn() {}, progress() {} };
