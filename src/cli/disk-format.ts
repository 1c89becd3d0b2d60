/** Endings that say one thing only; `.img` is raw for some publishers and qcow2 for others. */
const BY_ENDING: Readonly<Record<string, string>> = {
  qcow2: "qcow2",
  raw: "raw",
  vmdk: "vmdk",
  vhd: "vhd",
  vhdx: "vhdx",
  vdi: "vdi",
  iso: "iso",
  ami: "ami",
  aki: "aki",
  ari: "ari",
};

/** The disk_format that a file name's ending stands for; undefined when it tells nothing certain. */
export function diskFormatOf(name: string): string | undefined {
  return BY_ENDING[name.slice(name.lastIndexOf(".") + 1).toLowerCase()];
}
