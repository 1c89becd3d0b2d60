import { expect, test } from "vitest";
import { diskFormatOf } from "../../src/cli/disk-format.ts";

test.each([
  ["debian-13-genericcloud-amd64.qcow2", "qcow2"],
  ["Debian.ISO", "iso"],
  ["disk.raw", "raw"],
])("%s is %s", (name, format) => {
  expect(diskFormatOf(name)).toBe(format);
});

test.each(["cirros-0.6.2-x86_64-disk.img", "disk.raw.xz", "vmlinuz", "qcow2", "a.constructor"])(
  "%s tells nothing certain",
  (name) => {
    expect(diskFormatOf(name)).toBeUndefined();
  },
);
