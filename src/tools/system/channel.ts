/** Starts a sandboxed Python and talks with it in lines of JSON. What it says may be forged by the source it runs. */
import type { Writable } from 'node:stream';
import type { HostReply } from '../hostProtocol.js';
import { endChild, exitReason, type HostChannel, spawnQuietly } from '../hostSpawn.js';
import type { SandboxPlan } from './sandbox.js';

/** Beside the characters of an observation, six bytes each at most in JSON. */
const MORE_BYTES = 16_384;

/** One that answers one call; `stderr`: the end of what was written to the standard error before it. */
export function openSandboxed(plan: SandboxPlan): HostChannel & { stderr(): string } {
  const { child, stderr } = spawnQuietly(plan, ['pipe', 'pipe', 'pipe', ...plan.files.map(() => 'pipe' as const)]);
  for (const [index, file] of plan.files.entries()) (child.stdio[3 + index] as Writable).end(file);
  // What it has not read would keep this process alive.
  child.on('exit', () => {
    for (const pipe of [child.stdin, ...child.stdio.slice(3)]) pipe?.destroy();
  });
  let most = MORE_BYTES;
  return {
    child,
    stderr,
    send: (request, failed) => {
      most = MORE_BYTES + request.maxChars * 6;
      child.stdin!.write(`${JSON.stringify(request)}\n`, (error) => {
        if (error != null) failed(error);
      });
    },
    receive: (take) => {
      const lines = new Lines(
        () => most,
        () => endChild(child),
      );
      let answered = false;
      child.stdout!.on('data', (part: Buffer) => {
        for (const message of lines.read(part)) {
          // One call a process: whatever comes after the answer, such as that it is ready again, was made by the source.
          if (answered) return;
          answered = !('ready' in message);
          take(message);
        }
      });
    },
    // Bubblewrap ends with 128 and the signal that ended Python.
    reason: (code, signal) =>
      code !== null && code > 128 ? `its process ended (signal ${code - 128})` : exitReason(code, signal, stderr()),
  };
}

/** Cuts a stream into lines of JSON; ends what writes a line too long or no object. */
class Lines {
  #parts: Buffer[] = [];
  #size = 0;
  #ended = false;

  constructor(
    private readonly most: () => number,
    private readonly stop: () => void,
  ) {}

  *read(part: Buffer): Generator<HostReply> {
    let rest = part;
    for (let at = rest.indexOf(10); at >= 0 && !this.#ended; at = rest.indexOf(10)) {
      const line = Buffer.concat([...this.#parts, rest.subarray(0, at)]);
      this.#parts = [];
      this.#size = 0;
      rest = rest.subarray(at + 1);
      const message = line.length > this.most() ? null : objectOf(line);
      if (message === null) this.#end();
      else yield message;
    }
    this.#parts.push(rest);
    this.#size += rest.length;
    if (this.#size > this.most()) this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#parts = [];
    this.#size = 0;
    this.stop();
  }
}

function objectOf(line: Buffer): HostReply | null {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as HostReply) : null;
  } catch {
    return null;
  }
}
