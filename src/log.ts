/** Messages for people, on stderr (stdout is for results). No line shows a secret. */
import { redact } from './secrets/redact.js';

export interface Log {
  /** Always printed: something worth a line is finished. */
  info(message: string): void;
  warn(message: string): void;
  /** On a TTY, a line that the next one overwrites; elsewhere nothing. */
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

/** Prints nothing. */
export const silentLog: Log = { info() {}, warn() {}, progress() {} };
