/**
 * TensorBoard's event files, as far as scalars need them: records of TFRecord framing, each one protobuf `Event`
 * (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto).
 *
 *   length u64, masked CRC-32C of it u32, the event, masked CRC-32C of that u32; all little-endian
 */
import { Buffer } from 'node:buffer';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import crc32c from 'crc-32/crc32c.js';
import type { Point } from './tracker.js';

/** What every event file begins with. */
export function versionRecord(seconds: number): Buffer {
  return record(event(seconds, 0).tag(3, WireType.LengthDelimited).string('brain.Event:2'));
}

/** Makes a TensorBoard that is open forget what it has of this training from `step` on. */
export function startRecord(seconds: number, step: number): Buffer {
  const START = 1;
  const log = event(seconds, step).tag(7, WireType.LengthDelimited).fork();
  return record(log.tag(1, WireType.Varint).int32(START).join());
}

/** `seconds`: wall time since 1970. */
export function scalarsRecord(seconds: number, step: number, points: readonly Point[]): Buffer {
  const summary = event(seconds, step).tag(5, WireType.LengthDelimited).fork();
  for (const { tag, value } of points) {
    summary.tag(1, WireType.LengthDelimited).fork();
    summary.tag(1, WireType.LengthDelimited).string(tag);
    summary.tag(2, WireType.Bit32).float(asFloat(value)).join();
  }
  return record(summary.join());
}

function event(seconds: number, step: number): BinaryWriter {
  const writer = new BinaryWriter().tag(1, WireType.Bit64).double(seconds);
  // A protobuf number that is 0 is left out.
  return step === 0 ? writer : writer.tag(2, WireType.Varint).int64(step);
}

/** The writer refuses what a float cannot hold; beyond its range a number is infinite, as any cast makes it. */
function asFloat(value: number): number {
  return Math.fround(value);
}

function record(writer: BinaryWriter): Buffer {
  const data = Buffer.from(writer.finish());
  const framed = Buffer.alloc(data.length + 16);
  framed.writeBigUInt64LE(BigInt(data.length), 0);
  framed.writeUInt32LE(maskedCrc(framed.subarray(0, 8)), 8);
  data.copy(framed, 12);
  framed.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return framed;
}

/** Rotated by 15 bits plus a constant, so that the checksum of data that holds checksums is not one of them. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c.buf(data) >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
