/** The seccomp filter, run by a BPF machine of this file, and its numbers against the headers of the kernel. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { seccompProgram } from '../../../../src/tools/system/seccomp.js';
import { allowed, others, type Processor } from '../../../../src/tools/system/syscalls.js';

const ARCHITECTURE = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;
const VERDICTS = new Map([
  [0x7fff0000, 'allow'],
  [0x80000000, 'kill'],
  [0x00050001, 'EPERM'],
  [0x00050019, 'ENOTTY'],
  [0x00050026, 'ENOSYS'],
]);

/** What the filter says of a call. `data` is `struct seccomp_data`. */
function verdict(program: Uint8Array, arch: number, number: number, args: readonly number[] = []): string {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(arch, 4);
  for (const [index, value] of args.entries()) data.writeUInt32LE(value >>> 0, 16 + 8 * index);
  const code = Buffer.from(program);
  let register = 0;
  for (let at = 0; ; at++) {
    const [op, ifTrue, ifFalse] = [code.readUInt16LE(at * 8), code[at * 8 + 2]!, code[at * 8 + 3]!];
    const value = code.readUInt32LE(at * 8 + 4);
    if (op === 0x20) register = data.readUInt32LE(value);
    else if (op === 0x54) register = (register & value) >>> 0;
    else if (op === 0x15) at += register === value ? ifTrue : ifFalse;
    else if (op === 0x35) at += register >= value ? ifTrue : ifFalse;
    else if (op === 0x06) return VERDICTS.get(value) ?? `0x${value.toString(16)}`;
    else throw new Error(`instruction ${at}: code ${op}`);
  }
}

describe.each(['x64', 'arm64'] as const)('the filter of %s', (processor: Processor) => {
  const program = seccompProgram(processor)!;
  const own = ARCHITECTURE[processor];
  const number = (name: string) => allowed(processor).get(name) ?? others(processor).get(name)!;
  const of = (name: string, ...args: number[]) => verdict(program, own, number(name), args);

  it('lets every listed call pass, and none of another architecture', () => {
    expect(allowed(processor).size).toBeGreaterThan(130);
    for (const [name, call] of allowed(processor)) expect([name, verdict(program, own, call)]).toEqual([name, 'allow']);
    const other = processor === 'x64' ? ARCHITECTURE.arm64 : ARCHITECTURE.x64;
    expect(verdict(program, other, number('read'))).toBe('kill');
  });

  it('lets threads be made, but no process and no namespace', () => {
    const [thread, process, newUser, newNet] = [0x3d0f00, 0x1200011, 0x10000000, 0x40000000];
    expect(of('clone', thread)).toBe('allow');
    expect([of('clone', process), of('clone', 17)]).toEqual(['EPERM', 'EPERM']);
    expect([of('clone', thread | newUser), of('clone', newNet)]).toEqual(['EPERM', 'EPERM']);
    expect(of('socket', 2, 1)).toBe('EPERM');
  });

  it('lets a descriptor be asked for nothing but what Python asks', () => {
    expect([of('ioctl', 0, 0x5421), of('ioctl', 3, 0x5451)]).toEqual(['allow', 'allow']);
    // TIOCSTI puts characters into a terminal's input.
    expect([of('ioctl', 0, 0x5412), of('ioctl', 0, 0x5401)]).toEqual(['ENOTTY', 'ENOTTY']);
  });

  it('has no getrandom, which would make calls differ, and no number that it does not know', () => {
    const absent = processor === 'x64' ? [318, 435, 101, 272, 319, 425, 9999] : [278, 435, 117, 97, 279, 425, 9999];
    for (const call of absent) expect([call, verdict(program, own, call)]).toEqual([call, 'ENOSYS']);
  });
});

it('kills what calls by the numbers of x32, and knows no other processor', () => {
  expect(verdict(seccompProgram('x64')!, ARCHITECTURE.x64, 0x40000000 + 257)).toBe('kill');
  expect(seccompProgram('riscv64')).toBeNull();
});

const HEADERS: readonly (readonly [processor: Processor, files: readonly string[]])[] = [
  ['x64', ['/usr/include/x86_64-linux-gnu/asm/unistd_64.h', '/usr/include/asm/unistd_64.h']],
  ['arm64', ['/usr/include/asm-generic/unistd.h']],
];

describe.each(HEADERS)('the numbers of %s', (processor, files) => {
  const file = files.find((one) => existsSync(one));

  it.skipIf(file === undefined)(`are those of ${file ?? 'the headers of Linux, which are not here'}`, () => {
    const text = readFileSync(file!, 'utf8');
    const known = new Map(
      [...text.matchAll(/^#define __NR(?:3264)?_(\w+) (\d+)$/gm)].map(([, name, at]) => [name, Number(at)]),
    );
    for (const [name, call] of [...allowed(processor), ...others(processor)]) {
      // The generic header has the names of 32 bits for the calls that newer ones replaced.
      const there = known.get(name) ?? known.get(name.replace('newfstatat', 'fstatat'));
      expect([name, call]).toEqual([name, there]);
    }
  });
});
