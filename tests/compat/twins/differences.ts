/**
 * Where our daemon is meant to answer otherwise than LXD 5.0.2. Everything else that the sweep finds is a
 * mistake of ours.
 */
export interface Difference {
  readonly sweep: RegExp;
  readonly key: RegExp;
  readonly who: "we refuse" | "LXD refuses";
  readonly why: string;
}

const NIC = /^device (bridged|managed|macvlan|physical|p2p|routed|ipvlan|sriov|infiniband)$/;

export const DIFFERENCES: readonly Difference[] = [
  {
    sweep: /^(profile|instance)$/,
    key: /^(linux\.kernel_modules|raw\.idmap|limits\.kernel\..*|limits\.cpu(\.allowance)?)$/,
    who: "we refuse",
    why: "LXD takes any text, and the instance does not start with it",
  },
  {
    sweep: /^(profile|instance)$/,
    key: /^(limits\.processes|snapshots\.expiry|environment\.A|security.*fuse|nvidia\..*)$/,
    who: "we refuse",
    why: "LXD takes numbers, blanks and lines that the kernel or liblxc refuse",
  },
  {
    sweep: /^instance$/,
    key:
      /^(agent\..*|raw\.qemu.*|migration\.stateful|limits\.memory\.hugepages|security\.(agent|csm|secureboot|sev).*)$/,
    who: "LXD refuses",
    why: "keys of virtual machines: only their empty values are taken here, which set nothing",
  },
  {
    sweep: /^instance$/,
    key: /^volatile\.x\.hwaddr$/,
    who: "we refuse",
    why: "LXD takes any text, and the nic does not start with it",
  },
  {
    sweep: /^(profile|instance)$/,
    key: /^security\.syscalls\.intercept\.bpf/,
    who: "we refuse",
    why: "bpf() is not intercepted here; the refusal says so",
  },
  {
    sweep: /^(profile|instance)$/,
    key: /^raw\.lxc$/,
    who: "LXD refuses",
    why: "a blank line is harmless",
  },
  {
    sweep: NIC,
    key: /^(host_name|name|limits\..*|security\..*_filtering)$/,
    who: "we refuse",
    why: "LXD takes any text, and the device does not start with it",
  },
  {
    sweep: /^device /,
    key: /^(limits\..*|propagation|gputype|mode|source|path)$/,
    who: "we refuse",
    why: "LXD takes any text in a profile, and the instance does not start with it",
  },
  {
    sweep: /^custom volume$/,
    key: /^size$/,
    who: "we refuse",
    why: "LXD takes any size on dir and enforces none; ours is that of a file system in a file",
  },
  {
    sweep: /^device unix-/,
    key: /^source$/,
    who: "LXD refuses",
    why: "a node of a device may lie anywhere on the host",
  },
  {
    sweep: /^project$/,
    key: /^restricted\.networks\.subnets$/,
    who: "LXD refuses",
    why: "it looks for the uplink; there are none here",
  },
  {
    sweep: /^server$/,
    key: /^core\.(dns_address|remote_token_expiry|https_trusted_proxy)$/,
    who: "we refuse",
    why: "an address that can't be listened on is refused now, not in the log; a blank is no time",
  },
  {
    sweep: /^server$/,
    key: /^(core\.(.*_address|bgp_.*)|storage\.(backups|images)_volume)$/,
    who: "LXD refuses",
    why: "it resolves names and looks for volumes",
  },
  {
    sweep: /^server$/,
    key: /^images\.mirrors$/,
    who: "LXD refuses",
    why: "mirrors of image servers are ours alone",
  },
  {
    sweep: /^server$/,
    key: /^storage\.(lvm|zfs)_/,
    who: "LXD refuses",
    why: "names of LXD 2.0, which the guide uses",
  },
  {
    sweep: /^bridge$/,
    key: /^tunnel\.x\.(id|port|ttl|interface|group)$/,
    who: "LXD refuses",
    why: "it makes a tunnel that has no protocol yet, and fails",
  },
  {
    sweep: /^bridge$/,
    key: /^(dns\.domain|raw\.dnsmasq|bridge\.external_interfaces)$/,
    who: "we refuse",
    why: "dnsmasq would not start with it later, when the bridge has an address",
  },
];
