/** Records of a pax extended header. @see POSIX.1-2017, pax, "pax Extended Header" */

/**
 * Reads "<length> <key>=<value>\n" records by their lengths; a later record of a key wins.
 *
 * @returns undefined when a length or its record is wrong: two readers would see two things.
 */
export function readPaxRecords(bytes: Uint8Array): ReadonlyMap<string, string> | undefined {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? "" : new TextDecoder().decode(bytes.subarray(at, Math.min(space, at + 10)));
    const length = /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (end <= space + 1 || end > bytes.length || bytes[end - 1] !== 0x0a) return undefined;
    const record = new TextDecoder().decode(bytes.subarray(space + 1, end - 1));
    const equals = record.indexOf("=");
    if (equals <= 0) return undefined;
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at = end;
  }
  return records;
}
