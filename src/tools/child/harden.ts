/**
 * The second line of defence inside a child, after Node's permission model: removes what evaluated code could use if it
 * ever reached the main realm. The permission model of Node 20 does not cover the network, nor signals to other
 * processes; both are removed here.
 *
 * This does not stop an attacker who runs arbitrary machine code in the process (a V8 or WebAssembly escape). Only the
 * operating system does, by the network namespace that the launcher sets up where the machine allows it.
 */
import dgram from 'node:dgram';
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

const GLOBALS = ['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest', 'BroadcastChannel', 'require', 'process'];

/** Members of `process` that reach other processes, native code, the environment or any built-in module. */
const PROCESS = `
  binding _linkedBinding dlopen getBuiltinModule mainModule moduleLoadList
  kill _kill abort exit reallyExit _debugProcess _debugEnd _startProfilerIdleNotifier
  send disconnect channel execve loadEnvFile chdir setuid setgid seteuid setegid
  setgroups initgroups umask report openStdin _getActiveHandles _getActiveRequests
`
  .trim()
  .split(/\s+/);

export function harden(): void {
  const denied = (what: string) => () => {
    throw new Error(`${what} is not available here`);
  };
  net.Socket.prototype.connect = denied('the network');
  net.Server.prototype.listen = denied('the network');
  dgram.Socket.prototype.bind = denied('the network');
  dgram.Socket.prototype.send = denied('the network');
  dgram.Socket.prototype.connect = denied('the network');
  for (const resolver of [dns, dns.promises, dns.Resolver.prototype, dns.promises.Resolver.prototype] as object[]) {
    for (const key of Object.getOwnPropertyNames(resolver)) {
      if (/^(lookup|resolve|reverse)/.test(key)) overwrite(resolver, key, denied('the network'));
    }
  }
  syncBuiltinESMExports();
  for (const key of PROCESS) {
    if (key in process) overwrite(process, key, denied(`process.${key}`));
  }
  for (const key of GLOBALS) {
    if (key in globalThis) Reflect.deleteProperty(globalThis, key);
  }
}

function overwrite(target: object, key: string, value: unknown): void {
  // Overwriting `channel` does not break our own IPC, as Node's internals read the channel by a symbol.
  // Reflect does not throw: if a later Node makes one of these read-only, the child must still start.
  Reflect.defineProperty(target, key, { value, writable: false, configurable: false, enumerable: false });
}
