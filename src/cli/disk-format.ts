/** Formats whose usual ending says one thing only; `.img` is raw for some publishers and qcow2 for others. */
const NAMED_BY_ENDING = ["qcow2", "raw", "vmdk", "vhd", "vhdx", "vdi", "iso", "ami", "aki", "ari"];

/** The disk_format that a file name's ending stands for; undefined when it tells nothing certain. */
export function diskFormatOf(name: string): string | undefined {
  const lower = name.toLowerCase();
  return NAMED_BY_ENDING.find((format) => lower.endsWith(`.${format}`));
}
