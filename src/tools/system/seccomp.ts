/**
 * The seccomp filter of a sandboxed Python as a program for Linux's classic BPF machine (seccomp(2), linux/filter.h), which
 * bubblewrap loads before Python starts and nothing in the sandbox can take back.
 */
import { allowed, others, type Processor } from './syscalls.js';

/** linux/audit.h */
const ARCHITECTURE: Readonly<Record<Processor, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
/** On x86-64, calls from here on are those of the x32 interface, by numbers of their own. */
const X32 = 0x40000000;

const [LOAD, AND, EQUAL, AT_LEAST, RETURN] = [0x20, 0x54, 0x15, 0x35, 0x06];
/** Offsets in `struct seccomp_data`: the number, the architecture, the low half of an argument (little endian). */
const [NUMBER, ARCH] = [0, 4];
const argument = (index: number): number => 16 + 8 * index;

const [ALLOW, KILL] = [0x7fff0000, 0x80000000];
const errno = (code: number): number => 0x00050000 | code;
const [EPERM, ENOTTY, ENOSYS] = [1, 25, 38];

/** From linux/sched.h. All flags for namespaces but that for time, which clone does not take. */
const [CLONE_THREAD, CLONE_NEW] = [0x00010000, 0x7e020000];
/** From asm-generic/ioctls.h: what Python asks of descriptors. */
const [FIONBIO, FIOCLEX] = [0x5421, 0x5451];

type Instruction = readonly [code: number, value: number, ifTrue?: number, ifFalse?: number];

/** The program, for bubblewrap's `--seccomp`; null for a processor whose system calls are not known. */
export function seccompProgram(architecture: string): Uint8Array | null {
  if (architecture !== 'x64' && architecture !== 'arm64') return null;
  const program = instructions(architecture);
  const bytes = Buffer.alloc(program.length * 8);
  for (const [at, [code, value, ifTrue = 0, ifFalse = 0]] of program.entries()) {
    bytes.writeUInt16LE(code, at * 8);
    bytes.writeUInt8(ifTrue, at * 8 + 2);
    bytes.writeUInt8(ifFalse, at * 8 + 3);
    bytes.writeUInt32LE(value, at * 8 + 4);
  }
  return bytes;
}

function instructions(processor: Processor): readonly Instruction[] {
  const number = others(processor);
  const rule = (name: string, then: readonly Instruction[]): readonly Instruction[] => {
    const call = number.get(name);
    return call === undefined ? [] : [[EQUAL, call, 0, then.length], ...then];
  };
  return [
    [LOAD, ARCH],
    [EQUAL, ARCHITECTURE[processor], 1, 0],
    [RETURN, KILL],
    [LOAD, NUMBER],
    ...(processor === 'x64'
      ? ([
          [AT_LEAST, X32, 0, 1],
          [RETURN, KILL],
        ] as const)
      : []),
    ...[...allowed(processor).values()].flatMap((call): Instruction[] => [
      [EQUAL, call, 0, 1],
      [RETURN, ALLOW],
    ]),
    // Threads, but neither processes nor namespaces. glibc asks clone3 first, which does not exist in here.
    ...rule('clone', [
      [LOAD, argument(0)],
      [AND, CLONE_THREAD | CLONE_NEW],
      [EQUAL, CLONE_THREAD, 0, 1],
      [RETURN, ALLOW],
      [RETURN, errno(EPERM)],
    ]),
    // No descriptor is a terminal.
    ...rule('ioctl', [
      [LOAD, argument(1)],
      [EQUAL, FIONBIO, 1, 0],
      [EQUAL, FIOCLEX, 0, 1],
      [RETURN, ALLOW],
      [RETURN, errno(ENOTTY)],
    ]),
    ...['socket', 'fork', 'vfork'].flatMap((name) => rule(name, [[RETURN, errno(EPERM)]])),
    [RETURN, errno(ENOSYS)],
  ];
}
