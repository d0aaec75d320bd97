/**
 * @file The directory of a zip archive, as far as torch files need it: where each stored entry lies. Nothing is unpacked:
 * torch stores tensors uncompressed, so that they can be mapped. Compressed entries are listed and never read.
 *
 * Reference: PKWARE APPNOTE 6.3 (4.3.7 local header, 4.3.12 central directory, 4.3.14-16 ends, 4.5.3 zip64 sizes)
 */
import { UserError } from '../../../errors.ts';
import type { FileBytes } from '../../../platform/platform.ts';

/** An uncompressed entry. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes from the start of the file to the entry's data. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** The entries of an archive. */
export interface ZipArchive {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /** Names of compressed entries, which cannot be read here. */
  readonly compressed: ReadonlySet<string>;
}

/** Largest central directory that is read; a checkpoint with 2600 tensors needs 0.3 MB. */
const MAX_DIRECTORY_BYTES = 32_000_000;
const MAX_ENTRIES = 200_000;

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const END_BYTES = 22;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const MAX_COMMENT = 0xffff;
/** In 16 and 32 bit fields: the value is in the zip64 record. */
const ELSEWHERE_16 = 0xffff;
const ELSEWHERE_32 = 0xffffffff;

/** Whether the first bytes of a file are those of a zip archive. */
export function isZip(first: Uint8Array): boolean {
  return first[0] === 0x50 && first[1] === 0x4b && first[2] === 3 && first[3] === 4;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** Reads archives; messages name the file. */
class ZipReader {
  private readonly file: FileBytes;

  constructor(file: FileBytes) {
    this.file = file;
  }

  fail(what: string): never {
    throw new UserError(`${this.file.path}: not a valid zip archive: ${what}`);
  }

  private quote(name: string): string {
    return JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name);
  }

  /** A 64-bit count; larger ones than a file can have are refused before they are rounded. */
  private count64(view: DataView, at: number, what: string): number {
    const value = view.getBigUint64(at, true);
    if (value > BigInt(this.file.size)) this.fail(`${what} of ${value} is beyond the file`);
    return Number(value);
  }

  /** Where the central directory lies, and how many entries it has. */
  async directory(): Promise<{ offset: number; length: number; count: number }> {
    const { file } = this;
    const tailStart = Math.max(0, file.size - END_BYTES - MAX_COMMENT);
    const tail = viewOf(await file.read(tailStart, file.size - tailStart));
    let at = tail.byteLength - END_BYTES;
    // A comment may hold the signature: the true end is the one whose comment reaches the end of the file.
    while (
      at >= 0 &&
      !(
        tail.getUint32(at, true) === END && at + END_BYTES + tail.getUint16(at + 20, true) === tail.byteLength
      )
    )
      at--;
    if (at < 0) this.fail('it has no end of central directory; is it truncated?');
    const found = {
      count: tail.getUint16(at + 10, true),
      length: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    };
    const is64 =
      found.count === ELSEWHERE_16 || found.length === ELSEWHERE_32 || found.offset === ELSEWHERE_32;
    const end = tailStart + at;
    const directory = is64 ? await this.directory64(end) : found;
    if (directory.count > MAX_ENTRIES) this.fail(`${directory.count} entries, the limit is ${MAX_ENTRIES}`);
    if (directory.length > MAX_DIRECTORY_BYTES) {
      this.fail(`central directory of ${directory.length} bytes, the limit is ${MAX_DIRECTORY_BYTES}`);
    }
    if (directory.offset + directory.length > end) this.fail('the central directory goes beyond its end');
    return directory;
  }

  private async directory64(end: number) {
    const { file } = this;
    if (end < 20) this.fail('its zip64 locator is missing');
    const locator = viewOf(await file.read(end - 20, 20));
    if (locator.getUint32(0, true) !== LOCATOR64) this.fail('its zip64 locator is missing');
    const at = this.count64(locator, 8, 'zip64 end');
    if (at + 56 > end) this.fail('its zip64 end lies beyond the file');
    const record = viewOf(await file.read(at, 56));
    if (record.getUint32(0, true) !== END64) this.fail('its zip64 end is missing');
    return {
      count: this.count64(record, 32, 'entry count'),
      length: this.count64(record, 40, 'central directory'),
      offset: this.count64(record, 48, 'central directory offset'),
    };
  }

  /** Sizes and offset of an entry that are too large for 32 bits stand in its zip64 extra field, in this order. */
  private wide(extra: DataView, name: string, size: number, packed: number, offset: number) {
    let found: [number, number, number] = [size, packed, offset];
    if (!found.includes(ELSEWHERE_32)) return found;
    for (let at = 0; at + 4 <= extra.byteLength; ) {
      const length = extra.getUint16(at + 2, true);
      if (extra.getUint16(at, true) === 1) {
        let next = at + 4;
        found = found.map((value) => {
          if (value !== ELSEWHERE_32) return value;
          if (next + 8 > Math.min(at + 4 + length, extra.byteLength)) {
            this.fail(`the zip64 field of ${this.quote(name)} is too short`);
          }
          next += 8;
          return this.count64(extra, next - 8, `size or offset of ${this.quote(name)}`);
        }) as [number, number, number];
        return found;
      }
      at += 4 + length;
    }
    this.fail(`${this.quote(name)} has no zip64 field`);
  }

  /** Names are only compared, but a file with such a name is not trustworthy. */
  private checkName(name: string): void {
    const steps = name.split('/');
    const control = [...name].some((character) => character < ' ');
    if (name === '' || control || /^\/|^[a-z]:|\\/i.test(name) || steps.includes('..')) {
      this.fail(`the name ${this.quote(name)} leads out of the archive`);
    }
  }

  async entries(): Promise<ZipArchive> {
    const { file } = this;
    const { offset: start, length, count } = await this.directory();
    const bytes = await file.read(start, length);
    const view = viewOf(bytes);
    const entries = new Map<string, ZipEntry>();
    const compressed = new Set<string>();
    const stretches: { from: number; to: number; name: string }[] = [];
    const decoder = new TextDecoder('utf-8');
    let at = 0;
    for (let i = 0; i < count; i++) {
      if (at + CENTRAL_BYTES > length || view.getUint32(at, true) !== CENTRAL) {
        this.fail(`entry ${i} of ${count} is missing in the central directory`);
      }
      const nameEnd = at + CENTRAL_BYTES + view.getUint16(at + 28, true);
      const extraEnd = nameEnd + view.getUint16(at + 30, true);
      const next = extraEnd + view.getUint16(at + 32, true);
      if (next > length) this.fail(`entry ${i} goes beyond the central directory`);
      const rawName = bytes.subarray(at + CENTRAL_BYTES, nameEnd);
      const name = decoder.decode(rawName);
      this.checkName(name);
      if (entries.has(name) || compressed.has(name)) this.fail(`two entries are called ${this.quote(name)}`);
      if (view.getUint16(at + 8, true) & 1) this.fail(`${this.quote(name)} is encrypted`);
      const method = view.getUint16(at + 10, true);
      const [size, packed, local] = this.wide(
        viewOf(bytes.subarray(nameEnd, extraEnd)),
        name,
        view.getUint32(at + 24, true),
        view.getUint32(at + 20, true),
        view.getUint32(at + 42, true),
      );
      const byteOffset = await this.dataOffset(name, rawName, local, start);
      if (byteOffset + packed > start) this.fail(`${this.quote(name)} goes beyond the end of the data`);
      stretches.push({ from: local, to: byteOffset + packed, name });
      if (method === 0) {
        if (size !== packed) {
          this.fail(`${this.quote(name)} is stored in ${packed} bytes but says that it has ${size}`);
        }
        entries.set(name, { name, byteOffset, byteLength: size });
      } else compressed.add(name);
      at = next;
    }
    this.checkApart(stretches);
    return { entries, compressed };
  }

  /** The local header has a length of its own: torch pads it so that data starts at a multiple of 64. */
  private async dataOffset(name: string, rawName: Uint8Array, local: number, limit: number): Promise<number> {
    if (local + LOCAL_BYTES + rawName.length > limit) {
      this.fail(`the header of ${this.quote(name)} lies beyond the data`);
    }
    const bytes = await this.file.read(local, LOCAL_BYTES + rawName.length);
    const header = viewOf(bytes);
    const same =
      header.getUint32(0, true) === LOCAL &&
      header.getUint16(26, true) === rawName.length &&
      rawName.every((byte, i) => byte === bytes[LOCAL_BYTES + i]);
    if (!same) this.fail(`the header of ${this.quote(name)} is not where the central directory says`);
    return local + LOCAL_BYTES + rawName.length + header.getUint16(28, true);
  }

  /** Small archives pretend to be huge with overlapping entries. */
  private checkApart(stretches: { from: number; to: number; name: string }[]): void {
    stretches.sort((a, b) => a.from - b.from);
    stretches.forEach(({ from, name }, i) => {
      const before = stretches[i - 1];
      if (before !== undefined && from < before.to) {
        this.fail(`${this.quote(before.name)} and ${this.quote(name)} overlap`);
      }
    });
  }
}

/**
 * Reads and checks the directory of an archive: every entry inside the file, none over another, no name that leads outside.
 *
 * @throws UserError with one line when the archive is truncated, broken or hostile
 */
export async function readZip(file: FileBytes): Promise<ZipArchive> {
  return new ZipReader(file).entries();
}
