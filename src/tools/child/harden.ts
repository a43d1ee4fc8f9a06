/**
 * Second line of defence inside a child, behind Node's permission model: takes away what evaluated code would want if
 * it ever reached the main realm. The permission model of Node 20 says nothing about the network or about signals to
 * other processes; this is where those go.
 *
 * What it does not do: an attacker with arbitrary machine code in the process (a V8 or WebAssembly escape) is stopped
 * only by the operating system, that is by the network namespace the launcher sets up where the machine allows it.
 */
import dgram from 'node:dgram';
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

const GLOBALS = ['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest', 'BroadcastChannel', 'require', 'process'];

/** Members of `process` that reach other processes, native code, the environment or any built-in module. */
const PROCESS = [
  ...['binding', '_linkedBinding', 'dlopen', 'getBuiltinModule', 'mainModule', 'moduleLoadList'],
  ...['kill', '_kill', 'abort', 'exit', 'reallyExit', '_debugProcess', '_debugEnd', '_startProfilerIdleNotifier'],
  ...['send', 'disconnect', 'channel', 'execve', 'loadEnvFile', 'chdir', 'setuid', 'setgid', 'seteuid', 'setegid'],
  ...['setgroups', 'initgroups', 'umask', 'report', 'openStdin', '_getActiveHandles', '_getActiveRequests'],
];

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
  // The IPC channel is an accessor that internals read by symbol, not by this name.
  // Reflect, not Object: a later Node may have made one of them fixed, and that must not keep the child from starting.
  Reflect.defineProperty(target, key, { value, writable: false, configurable: false, enumerable: false });
}
