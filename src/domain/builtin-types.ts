import type { ArtifactType, BlobRule, FieldRule, ValueRule } from "./artifact-type.ts";

const TEXT: ValueRule = { kind: "text", max: 255 };
const LONG_TEXT: ValueRule = { kind: "text", max: 4096 };
const AMOUNT: ValueRule = { kind: "integer", min: 0, max: 2 ** 31 - 1 };

const CONTAINER_FORMATS = ["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"];
const DISK_FORMATS = ["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop", "gpt"];

/** Machine images: what Glare's `images` and the image API's base properties name. */
const IMAGES: ArtifactType = {
  name: "images",
  displayName: "Images",
  fields: new Map<string, FieldRule>([
    ["container_format", fixed({ kind: "text", max: 255, oneOf: CONTAINER_FORMATS }, true)],
    ["disk_format", fixed({ kind: "text", max: 255, oneOf: DISK_FORMATS }, true)],
    ["min_ram", changeable(AMOUNT)],
    ["min_disk", changeable(AMOUNT)],
    ["architecture", changeable(TEXT)],
    ["os_distro", changeable(TEXT)],
    ["os_version", changeable(TEXT)],
    ["kernel_id", changeable(TEXT)],
    ["ramdisk_id", changeable(TEXT)],
    ["instance_uuid", changeable(TEXT)],
    ["cloud_user", changeable(TEXT)],
    ["image_indirect_url", changeable(LONG_TEXT)],
    ["img_signature", fixed(LONG_TEXT, false)],
    ["img_signature_hash_method", fixed(TEXT, false)],
    ["img_signature_key_type", fixed(TEXT, false)],
    ["img_signature_certificate_uuid", fixed(TEXT, false)],
  ]),
  blobs: new Map<string, BlobRule>([
    ["image", { shape: "blob", requiredToActivate: true, uploads: true }],
    ["mirrors", mirrorsOf("image")],
  ]),
  digests: ["md5", "sha512"],
};

/** Anything that is a file. */
const FILES: ArtifactType = {
  name: "files",
  displayName: "Files",
  fields: new Map(),
  blobs: new Map<string, BlobRule>([
    ["file", { shape: "blob", requiredToActivate: true, uploads: true }],
    ["mirrors", mirrorsOf("file")],
  ]),
  digests: [],
};

const TYPES: ReadonlyMap<string, ArtifactType> = new Map([IMAGES, FILES].map((type) => [type.name, type]));

/** All types, in the order in which they are told. */
export function artifactTypes(): readonly ArtifactType[] {
  return [...TYPES.values()];
}

/** undefined: there is no such type. */
export function findArtifactType(name: string): ArtifactType | undefined {
  return TYPES.get(name);
}

function fixed(value: ValueRule, requiredToActivate: boolean): FieldRule {
  return { value, requiredToActivate, mutable: false };
}

function changeable(value: ValueRule): FieldRule {
  return { value, requiredToActivate: false, mutable: true };
}

/** External locations of the same content, tried in the order of their names. */
function mirrorsOf(blob: string): BlobRule {
  return { shape: "dict", requiredToActivate: false, uploads: false, mirrorsOf: blob, maxMembers: 64 };
}
