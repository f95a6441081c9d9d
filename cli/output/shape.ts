/**
 * The order in which LXD prints the fields of its objects. Whatever has no shape is a map, printed
 * in the order of its keys. Pure.
 */

export interface Field {
  /** What stands for null: `[]` of a list, `{}` of a map, or null itself. */
  readonly empty: "list" | "map" | "null";
  /** A point in time: printed without quotes. */
  readonly time: boolean;
  /** Left out when it is empty. */
  readonly optional: boolean;
  readonly shape?: Shape;
}

export type Shape = ReadonlyMap<string, Field>;

const cache = new Map<string, Shape>();

/** The shape of one of the kinds below. */
export function shape(kind: keyof typeof SHAPES): Shape {
  const known = cache.get(kind);
  if (known !== undefined) return known;
  const made = new Map<string, Field>();
  for (const word of SHAPES[kind].split(/\s+/)) {
    const match = /^(\w+?)(_at|_date)?(\[\]|\{\})?(\?)?(?::(\w+))?$/.exec(word);
    if (match === null) throw new Error(`bug: shape ${word}`);
    const inner = match[5] as keyof typeof SHAPES | undefined;
    made.set(`${match[1]}${match[2] ?? ""}`, {
      empty: match[3] === "[]" ? "list" : match[3] === "{}" ? "map" : "null",
      time: match[2] === "_at",
      optional: match[4] !== undefined,
      shape: inner && (match[3] === "{}" ? valuesOf(shape(inner)) : shape(inner)),
    });
  }
  cache.set(kind, made);
  return made;
}

/** The shape of a map whose values are of one of the kinds below. */
export const mapShape = (kind: keyof typeof SHAPES): Shape => valuesOf(shape(kind));

/** The shape of a map whose values have this shape. */
const valuesOf = (inner: Shape): Shape =>
  new Map([[ANY, { empty: "null", time: false, optional: false, shape: inner }]]);

/** Stands for every key of a map. */
const ANY = "*";

/** `name`, `name[]` a list, `name{}` a map, `name?` left out if empty, `name:shape` of its value. */
const SHAPES = {
  instancePut: "architecture config{} devices{} ephemeral profiles[] restore? stateful description",
  instance: "architecture config{} devices{} ephemeral profiles[] restore? stateful description " +
    "created_at expanded_config{}? expanded_devices{}? name status status_code last_used_at " +
    "location type project",
  instanceFull:
    "architecture config{} devices{} ephemeral profiles[] restore? stateful description " +
    "created_at expanded_config{}? expanded_devices{}? name status status_code last_used_at " +
    "location type project backups[]:backup state:state snapshots[]:snapshot",
  backup: "name created_at expires_at instance_only container_only optimized_storage",
  state: "status status_code disk{} memory:memory network{}:network_state pid processes cpu:cpu",
  memory: "usage usage_peak total? swap_usage swap_usage_peak",
  cpu: "usage",
  network_state: "addresses[]:address counters:counters hwaddr host_name mtu state type",
  address: "family address netmask scope",
  counters: "bytes_received bytes_sent packets_received packets_sent errors_received " +
    "errors_sent packets_dropped_outbound packets_dropped_inbound",
  snapshot: "expires_at architecture config{} created_at devices{} ephemeral expanded_config{}? " +
    "expanded_devices{}? last_used_at name profiles[] stateful size",
  profile: "config{} description devices{} name used_by[]",
  network: "config{} description name type used_by[] managed status locations[]",
  pool: "config{} description name driver used_by[] status locations[]",
  project: "config{} description name used_by[]",
  volume: "config{} description name type used_by[] location content_type project created_at",
  volumeSnapshot: "description expires_at name config{} content_type created_at",
  imagePut: "auto_update properties{} public expires_at profiles[]",
  image: "auto_update properties{} public expires_at profiles[] aliases[]:alias architecture " +
    "cached filename fingerprint size update_source?:imageSource type created_at last_used_at " +
    "uploaded_at",
  imageSource: "alias certificate protocol server image_type",
  alias: "name description",
  imageAlias: "description target name type",
  server: "config{} api_extensions[] api_status api_version auth public auth_methods[] " +
    "environment:environment",
  serverPut: "config{}",
  environment: "addresses[] architectures[] certificate certificate_fingerprint driver " +
    "driver_version firewall kernel kernel_architecture kernel_features{} kernel_version " +
    "lxc_features{} os_name os_version project server server_clustered server_event_mode " +
    "server_name server_pid server_version storage storage_version " +
    "storage_supported_drivers[]:driver",
  driver: "name version remote",
  operation: "id class description created_at updated_at status status_code resources{} " +
    "metadata may_cancel err location",
  certificate: "name type restricted projects[] certificate fingerprint",
  event: "type timestamp metadata location? project?",
  acl: "name description egress[]:aclRule ingress[]:aclRule config{} used_by[]",
  aclRule: "action source? destination? protocol? source_port? destination_port? icmp_type? " +
    "icmp_code? description? state",
  forward: "description config{} ports[]:forwardPort listen_address location",
  forwardPort: "description protocol listen_port target_port? target_address",
  peer: "description config{} name target_project target_network status used_by[]",
  zone: "description config{} name used_by[]",
  zoneRecord: "description entries[]:zoneEntry config{} name",
  zoneEntry: "type ttl? value",
  lease: "hostname hwaddr address type location",
  metadata: "architecture creation_date expiry_date properties{} templates{}:template",
  template: "when[] create_only template properties{}",
  poolResources: "space:space inodes:space",
  space: "used total",
  preseed: "config{} networks[]:preseedNetwork storage_pools[]:preseedPool " +
    "profiles[]:preseedProfile projects[]:preseedProject cluster",
  preseedNetwork: "config{} description name type project",
  preseedPool: "config{} description name driver",
  preseedProfile: "config{} description devices{} name",
  preseedProject: "config{} description name",
  token: "ClientName Token ExpiresAt",
  tokenYaml: "clientname token expiresat",
  remote: "Addr AuthType Domain Project Protocol Public Global Static",
  warning: "status uuid location project type count first_seen_at last_seen_at last_message " +
    "severity entity_url",
} as const;

/**
 * The entries of an object, in the order of the shape (then the rest by name).
 * @param order compares the keys of maps.
 */
export function* entriesOf(
  value: object,
  order: Shape | undefined,
  compare: (a: string, b: string) => number,
): Generator<[key: string, value: unknown, field: Field | undefined]> {
  const fields = new Map(Object.entries(value));
  for (const [key, field] of order ?? []) {
    if (!fields.has(key)) continue;
    const item = fields.get(key) ?? EMPTY[field.empty];
    fields.delete(key);
    if (!field.optional || !isEmpty(item)) yield [key, item, field];
  }
  for (const key of [...fields.keys()].sort(compare)) {
    yield [key, fields.get(key), order?.get(ANY)];
  }
}

function isEmpty(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === null || value === "" || value === 0;
}

const EMPTY = { list: [], map: {}, null: null } as const;

/** "eth2" before "eth10", digits and signs before letters. */
export function naturalOrder(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const l = left[i] ?? "";
    const r = right[i] ?? "";
    if (l === r) continue;
    const leftLetter = /\p{L}/u.test(l);
    const rightLetter = /\p{L}/u.test(r);
    if (leftLetter && rightLetter) return l < r ? -1 : 1;
    if (leftLetter || rightLetter) return rightLetter ? -1 : 1;
    // Numbers: the whole run of digits that this one belongs to decides.
    let start = i;
    while (start > 0 && /\d/.test(left[start - 1] ?? "")) start--;
    const x = /^\d+/.exec(left.slice(start).join(""))?.[0] ?? "";
    const y = /^\d+/.exec(right.slice(start).join(""))?.[0] ?? "";
    const difference = Number(x) - Number(y);
    if (difference !== 0) return difference;
    if (x.length !== y.length) return x.length - y.length;
    return l < r ? -1 : 1;
  }
  return left.length - right.length;
}
